"""`fintech backup --daily`: what is due when, and what happens when it fails."""

import pytest

from app.cli import backups_daily
from app.core import clock as time
from app.core.backups import BackupError, shelf

DAY = 24 * 3600


@pytest.fixture
def diary(tmp_path):
    return Diary(tmp_path)


class Diary:
    """Makes backups and checks that only leave their record, and counts them."""

    def __init__(self, folder):
        self.folder = folder
        self.done = []
        self.fails = False
        self.is_ok = True

    def make(self):
        if self.fails:
            raise BackupError("the disk is full")
        self.done.append("backup")
        shelf.record(self.folder, "backup", {"at": time.now().isoformat()})

    def check(self):
        self.done.append("check")
        shelf.record(self.folder, "check", {"at": time.now().isoformat(), "is_ok": self.is_ok})

    def look(self):
        self.done.clear()
        backups_daily.do_what_is_due(self.folder, self.make, self.check)
        return list(self.done)


def test_one_a_day_is_made_and_one_a_week_is_checked(diary, clock):
    assert diary.look() == ["backup", "check"]
    assert diary.look() == []
    days = []
    for _ in range(8):
        clock.shift(DAY)
        days.append(diary.look())
    assert days == [["backup"]] * 6 + [["backup", "check"], ["backup"]]


def test_what_failed_is_said_and_tried_again_at_the_next_look(diary, clock, capsys):
    diary.fails = True
    assert diary.look() == []
    assert capsys.readouterr().err == "Error: the disk is full\n"
    diary.fails = False
    assert diary.look() == ["backup", "check"]


def test_a_check_that_found_something_is_made_again_each_day(diary, clock):
    diary.is_ok = False
    diary.look()
    assert diary.look() == []
    clock.shift(DAY)
    assert diary.look() == ["backup", "check"]
