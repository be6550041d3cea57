"""SimpleFIN through the whole application, against a server that speaks HTTP."""

import base64
import datetime as dt
import itertools
import re
from decimal import Decimal

import msgspec
import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from app.cli import main as program
from app.core import clock
from app.core.errors import UnavailableError
from app.core.outbound import Allowance
from app.core.turns import Turns
from app.features.connections.service import setup_tokens, sync
from app.features.journal import service as journal
from app.features.transactions.service import Applied
from app.providers import registry
from app.providers.base import ProviderContractError
from app.providers.simplefin.provider import SimpleFINProvider
from app.providers.simplefin.windows import Window
from app.simulator.faults import Fault
from tests.features.connections.bank import item_of, query
from tests.features.connections.simplefin import connect, offering_simplefin, simplefin_server
from tests.features.proof.ledgers import edit

LIVE = (
    "SELECT source_id, date, amount, pending FROM transactions"
    " WHERE removed_at IS NULL ORDER BY source_id"
)
PATH = "/simplefin/accounts"


@pytest.fixture(scope="module")
def server():
    with simplefin_server() as server:
        yield server


@pytest.fixture
def offered(server):
    with offering_simplefin(server):
        server.bank.faults.clear()
        yield server


def truth(server, access):
    return sorted(
        (name, row.date, -row.amount, row.pending) for name, row in server.rows(access).items()
    )


def prove(household_id):
    for arguments in (["replay", "--verify"], ["verify"]):
        result = CliRunner().invoke(program, [*arguments, "--household", str(household_id)])
        assert result.exit_code == 0, result.output


def test_a_first_sync_brings_all_rows_and_balances_of_all_banks_with_our_sign(ada, offered):
    access, item_id = connect(ada, offered, "demo_student")

    outcome = sync.sync_item(ada.household_id, item_id)

    assert outcome.state == "done"
    assert query(ada.household_id, LIVE) == truth(offered, access)
    stated = query(ada.household_id, "SELECT account_source_id, current FROM source_accounts")
    assert dict(stated) == {
        f"ACT-{account.account_id}": (-1 if account.owes else 1)
        * item.stream.balance(account.account_id).current
        for item in offered.items(access)
        for account in item.accounts()
    }
    prove(ada.household_id)
    assert sync.sync_item(ada.household_id, item_id).applied == Applied(0, 0, 0)


def test_accounts_tie_out_once_their_balance_was_stated_on_two_days(ada):
    tied = "SELECT state, count(*) FROM tie_outs GROUP BY state"
    today = clock.today() - dt.timedelta(days=2)
    with simplefin_server(today=today) as server, offering_simplefin(server):
        access, item_id = connect(ada, server, "demo_student")
        sync.sync_item(ada.household_id, item_id)
        assert query(ada.household_id, tied) == [("unproven", 3)]
        [item] = server.items(access)
        item.record("days", count=2)
        for account in item.accounts():
            row_id = f"late-{account.account_id}"
            add(item, row_id, "4.56", account_id=account.account_id)

        sync.sync_item(ada.household_id, item_id)

        assert query(ada.household_id, tied) == [("tied", 3)]
        assert query(ada.household_id, LIVE) == truth(server, access)
    prove(ada.household_id)


def test_a_second_reading_takes_one_request_and_changes_nothing(ada, offered):
    access, item_id = connect(ada, offered)
    sync.sync_item(ada.household_id, item_id)
    before = len(access.asked_at)
    first = pages_of(ada, item_id)

    assert sync.sync_item(ada.household_id, item_id).applied == Applied(0, 0, 0)

    assert pages_of(ada, item_id) == first + 1
    assert len(access.asked_at) == before + 1


def pages_of(person, item_id) -> int:
    [(count,)] = query(
        person.household_id,
        "SELECT count(*) FROM journal_pages WHERE item_id = :id",
        id=item_id,
    )
    return count


def add(item, row_id, amount, **more):
    """Let a bank book a row."""
    data = {"event": "add", "new_transaction_id": row_id, "amount": amount, "name": row_id}
    item.record("event", data | more)


def happen(item, kind, row_id, **more):
    item.record("event", {"event": kind, "transaction_id": row_id, **more})


def test_what_a_bank_adds_changes_and_withdraws_is_followed(ada, offered):
    access, item_id = connect(ada, offered)
    [item] = offered.items(access)
    for number in range(12):
        add(item, f"row{number}-{access.user}", f"{number + 1}.10")
    sync.sync_item(ada.household_id, item_id)
    edit(ada, f"TRN-row1-{access.user}", note="gone with it")
    edit(ada, f"TRN-row2-{access.user}", note="mine")
    happen(item, "remove", f"row1-{access.user}")
    happen(item, "modify", f"row2-{access.user}", amount="99.99")
    add(item, f"new-{access.user}", "5.00")

    assert sync.sync_item(ada.household_id, item_id).applied == Applied(1, 1, 1)

    assert query(ada.household_id, LIVE) == truth(offered, access)
    noted = "SELECT note, amount, removed_at IS NULL FROM transactions WHERE note IS NOT NULL"
    assert sorted(query(ada.household_id, noted)) == [
        ("gone with it", Decimal("-2.10"), False),
        ("mine", Decimal("-99.99"), True),
    ]
    assert sync.sync_item(ada.household_id, item_id).applied == Applied(0, 0, 0)
    prove(ada.household_id)


def test_what_a_person_wrote_on_a_pending_row_is_found_on_the_posted_one(ada, offered):
    access, item_id = connect(ada, offered)
    [item] = offered.items(access)
    words = {"name": "JUNIPER & CO 0042"}
    held, done = f"hold-{access.user}", f"done-{access.user}"
    add(item, held, "12.34", pending=True, **words)
    sync.sync_item(ada.household_id, item_id)
    edit(ada, f"TRN-{held}", note="mine")
    happen(item, "post", held, new_transaction_id=done)

    assert sync.sync_item(ada.household_id, item_id).applied == Applied(1, 0, 1)

    noted = "SELECT source_id, note, amount FROM transactions WHERE note IS NOT NULL AND is_live"
    assert query(ada.household_id, noted) == [(f"TRN-{done}", "mine", Decimal("-12.34"))]
    assert query(ada.household_id, LIVE) == truth(offered, access)
    prove(ada.household_id)


def test_a_bank_that_forgets_much_is_not_believed_before_a_person_says_so(ada, offered):
    access, item_id = connect(ada, offered)
    [item] = offered.items(access)
    names = [f"row{number}-{access.user}" for number in range(30)]
    for name in names:
        add(item, name, "3.00")
    sync.sync_item(ada.household_id, item_id)
    before = query(ada.household_id, LIVE)
    for name in names[:20]:
        happen(item, "remove", name)

    assert sync.sync_item(ada.household_id, item_id).state == "failed"

    assert query(ada.household_id, LIVE) == before
    assert item_of(ada.household_id, item_id).error_code == "FULL_READING_HELD"
    assert "Accept what the bank says now" in ada.get("/connections").text
    ada.post(f"/connections/{item_id}/accept")
    assert sync.sync_item(ada.household_id, item_id).applied.removed == 20
    assert query(ada.household_id, LIVE) == truth(offered, access)
    prove(ada.household_id)


@pytest.mark.parametrize("code", ["act.missingdata", "act.failed", "con.", "gen.", "act.brandnew"])
def test_nothing_is_withdrawn_of_an_account_that_was_not_read_to_the_end(ada, offered, code):
    access, item_id = connect(ada, offered)
    [item] = offered.items(access)
    add(item, f"row-{access.user}", "3.00")
    sync.sync_item(ada.household_id, item_id)
    happen(item, "remove", f"row-{access.user}")
    offered.bank.faults.arm(Fault(kind="error", code=code, item_id=item.item_id, path=PATH))

    assert sync.sync_item(ada.household_id, item_id).applied.removed == 0

    told = item_of(ada.household_id, item_id)
    assert (told.state, told.error_code) == ("good", code)
    assert told.next_sync_at is not None
    assert sync.sync_item(ada.household_id, item_id).applied.removed == 1
    assert item_of(ada.household_id, item_id).error_message is None


def test_an_account_that_could_not_be_read_at_first_is_read_further_back_later(ada, offered):
    access, token = offered.grant("demo_student")
    for item in offered.items(access):
        fault = Fault(
            kind="error", code="act.missingdata", item_id=item.item_id, path=PATH, times=9
        )
        offered.bank.faults.arm(fault)
    item_id = connect_with(ada, token)
    sync.sync_item(ada.household_id, item_id)
    some = len(query(ada.household_id, LIVE))
    offered.bank.faults.clear()

    sync.sync_item(ada.household_id, item_id)

    now = {row[0] for row in query(ada.household_id, LIVE)}
    since = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=45)
    assert some < len(now)
    assert {name for name, row in offered.rows(access).items() if row.date >= since} <= now


def connect_with(person, token, item_id=None):
    return setup_tokens.connect(person.household_id, person.user_id, token, item_id=item_id)


def test_a_bank_that_wants_its_person_says_so_while_the_others_go_on(ada, offered):
    access, item_id = connect(ada, offered, "demo_family")
    broken, *others = offered.items(access)
    assert others
    sync.sync_item(ada.household_id, item_id)
    offered.bank.break_item(broken.state, "ITEM_LOGIN_REQUIRED")
    add(others[0], f"fresh-{access.user}", "7.77")

    outcome = sync.sync_item(ada.household_id, item_id)

    assert (outcome.state, outcome.applied.added) == ("done", 1)
    assert outcome.applied.removed == 0
    told = item_of(ada.household_id, item_id)
    assert (told.state, told.error_code) == ("needs_user", "con.auth")
    assert told.next_sync_at is not None
    page = ada.get("/connections").text
    assert "A bank wants you to sign in again" in page
    assert "may need attention: please sign in again" in page
    fix = ada.post(f"/connections/{item_id}/repair")
    assert fix.headers["location"] == f"/connections/simplefin?item={item_id}"
    assert "It is settled: try again" in ada.get(fix.headers["location"]).text

    offered.bank.repair_item(broken.state)
    ada.post(f"/connections/{item_id}/settled")
    assert sync.sync_item(ada.household_id, item_id).state == "done"
    assert item_of(ada.household_id, item_id).state == "good"
    prove(ada.household_id)


def test_an_access_that_ended_goes_on_with_a_new_token_and_nothing_comes_twice(ada, offered):
    access, item_id = connect(ada, offered)
    sync.sync_item(ada.household_id, item_id)
    before = query(ada.household_id, LIVE)
    access.is_revoked = True

    assert sync.sync_item(ada.household_id, item_id).state == "failed"
    assert item_of(ada.household_id, item_id).state == "needs_user"
    assert "Make a new setup token" in ada.get("/connections").text

    again, token = offered.grant()
    again.item_ids = access.item_ids
    page = ada.post("/connections/simplefin", data={"setup_token": token, "item": str(item_id)})
    assert (page.status_code, page.headers["location"]) == (303, "/connections")
    assert sync.sync_item(ada.household_id, item_id).applied == Applied(0, 0, 0)
    assert query(ada.household_id, LIVE) == before
    assert item_of(ada.household_id, item_id).state == "good"


def test_a_server_that_is_not_paid_asks_the_person(ada, offered):
    access, item_id = connect(ada, offered)
    access.needs_payment = True

    assert sync.sync_item(ada.household_id, item_id).error.code == "PAYMENT_REQUIRED"
    assert "asks for a payment" in ada.get("/connections").text


def test_an_account_that_appears_later_gets_its_whole_history(ada, offered):
    access, item_id = connect(ada, offered, "demo_family")
    everything = access.item_ids
    access.item_ids = everything[:1]
    sync.sync_item(ada.household_id, item_id)
    access.item_ids = everything

    sync.sync_item(ada.household_id, item_id)
    assert item_of(ada.household_id, item_id).sync_wanted_by == "reread"
    sync.sync_item(ada.household_id, item_id)

    assert query(ada.household_id, LIVE) == truth(offered, access)
    assert item_of(ada.household_id, item_id).sync_wanted_by is None
    prove(ada.household_id)


def test_trap_12_history_is_read_in_windows_that_servers_do_not_cut(ada, offered):
    access, item_id = connect(ada, offered, "demo_student")
    sync.sync_item(ada.household_id, item_id)

    windows = [(page.first, page.end) for page in questions(ada, item_id)]
    assert all(end - first <= dt.timedelta(days=60) for first, end in windows)
    assert all(older[1] == newer[0] for newer, older in itertools.pairwise(windows))
    assert query(ada.household_id, LIVE) == truth(offered, access)


def questions(person, item_id):
    with person.session() as session:
        ids = query(
            person.household_id,
            "SELECT id FROM journal_pages WHERE item_id = :id ORDER BY id",
            id=item_id,
        )
        entries = journal.read_each(session, person.household_id, [each for (each,) in ids])
        return [
            msgspec.json.decode(entry.payload.partition(b"\n")[0], type=Window) for entry in entries
        ]


def test_O5_a_connection_is_not_asked_more_often_than_its_server_allows(ada, offered):
    access, item_id = connect(ada, offered)
    outcomes = [sync.sync_item(ada.household_id, item_id, "button") for _ in range(30)]

    assert len(access.asked_at) == 20
    assert outcomes[-1].error.code == "DAILY_LIMIT"
    assert "about 20 times a day" in ada.get("/connections").text


def test_O4_a_token_that_was_used_says_that_somebody_else_may_have(ada, offered):
    _, token = offered.grant()
    connect_with(ada, token)

    page = ada.post("/connections/simplefin", data={"setup_token": token})

    assert page.status_code == 409
    assert "somebody else may have" in page.text
    assert "disable it at your SimpleFIN server" in page.text
    again = ada.post("/api/v1/simplefin/claim-token", json={"setup_token": token})
    assert (again.status_code, again.json()["code"]) == (409, "token_refused")


def test_O4_what_a_server_says_is_shown_as_a_short_line_of_text(ada, offered):
    access, item_id = connect(ada, offered)
    [item] = offered.items(access)
    code = "con.<script>alert(1)</script>\u202e https://user:pass@bank.example/x " + "long " * 99
    offered.bank.faults.arm(Fault(kind="error", code=code, item_id=item.item_id, path=PATH))
    sync.sync_item(ada.household_id, item_id)

    message = item_of(ada.household_id, item_id).error_message
    assert "pass@" not in message
    assert "\u202e" not in message
    assert len(message) < 400
    page = ada.get("/connections").text
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page


def test_O2_trap_14_a_token_that_leads_inside_is_refused_in_words(ada, server):
    """Without the operator's word, the simulator is a private address like any other."""
    token = base64.b64encode(b"https://169.254.169.254/latest/meta-data").decode()
    _, local = server.grant()
    before = dict(registry._providers)
    registry._providers["simplefin"] = SimpleFINProvider(Allowance())
    try:
        for each, words in ((token, "not on the public internet"), (local, "https://")):
            page = ada.post("/connections/simplefin", data={"setup_token": each})
            assert page.status_code == 409
            assert words in page.text
    finally:
        registry._providers.clear()
        registry._providers.update(before)
    assert query(ada.household_id, "SELECT count(*) FROM items") == [(0,)]


def test_O2_a_server_that_sends_us_elsewhere_is_not_followed(ada, offered):
    _, item_id = connect(ada, offered)
    offered.bank.faults.arm(Fault(kind="redirect", path=PATH))

    error = sync.sync_item(ada.household_id, item_id).error

    assert isinstance(error, ProviderContractError)
    assert error.code == "REDIRECTED"


def test_O1_servers_that_take_their_time_keep_few_threads_and_no_token(ada, offered, monkeypatch):
    turns = Turns(1, waiting=0, seconds=0)
    monkeypatch.setattr(setup_tokens, "_claiming", turns)
    _, token = offered.grant()

    with turns.taken(), pytest.raises(UnavailableError, match="the token stays good"):
        connect_with(ada, token)

    assert connect_with(ada, token)


def test_the_access_url_is_sealed_and_in_no_log(ada, offered, caplog):
    with capture_logs() as events:
        access, item_id = connect(ada, offered)
        sync.sync_item(ada.household_id, item_id)
        offered.bank.faults.arm(Fault(kind="http_500", path=PATH))
        sync.sync_item(ada.household_id, item_id)

    [(kept,)] = query(ada.household_id, "SELECT access_token FROM items")
    [(session,)] = query(ada.household_id, "SELECT link_token FROM link_sessions")
    for text in (caplog.text, str(events), str(bytes(kept)), session, ada.get("/connections").text):
        assert access.password not in text
        assert access.claim not in text


@pytest.mark.parametrize("kind", ["http_500", "html", "truncated_json", "rate_limit"])
def test_a_server_in_trouble_is_tried_again_and_nothing_is_lost(ada, offered, kind):
    access, item_id = connect(ada, offered)
    offered.bank.faults.arm(Fault(kind=kind, path=PATH))

    assert sync.sync_item(ada.household_id, item_id).state == "failed"
    told = item_of(ada.household_id, item_id)
    assert (told.state, told.cursor) == ("good", None)
    assert told.next_sync_at is not None

    assert sync.sync_item(ada.household_id, item_id).state == "done"
    assert query(ada.household_id, LIVE) == truth(offered, access)


def test_version_1_of_the_protocol_says_the_same(ada, offered):
    access, token = offered.grant("demo_student")
    access.is_old = True
    item_id = connect_with(ada, token)

    sync.sync_item(ada.household_id, item_id)

    assert query(ada.household_id, LIVE) == truth(offered, access)
    prove(ada.household_id)


def test_the_page_takes_a_token_and_leads_to_the_first_sync(ada, offered):
    assert ada.post("/connections/link").headers["location"] == "/connections/simplefin"
    form = ada.get("/connections/simplefin").text
    assert "Paste a setup token" in form
    _, token = offered.grant()

    answer = ada.post("/connections/simplefin", data={"setup_token": f"  {token}\n"})

    found = re.fullmatch(r"/connections/([0-9a-f-]+)/progress", answer.headers["location"])
    assert item_of(ada.household_id, found[1]).provider == "simplefin"
    assert ada.get(answer.headers["location"]).status_code == 200


@pytest.mark.parametrize("token", ["", "hello", "%%%", "aGVsbG8=", "x" * 3_999])
def test_what_is_no_token_is_answered_in_words(ada, offered, token):
    page = ada.post("/connections/simplefin", data={"setup_token": token})

    assert page.status_code == 409
    assert "This is not a SimpleFIN setup token" in page.text


def test_a_stranger_can_repair_nothing_with_a_token(ada, cleo, offered):
    _, item_id = connect(ada, offered)
    _, token = offered.grant()
    sent = {"setup_token": token, "item": str(item_id)}

    assert cleo.post("/connections/simplefin", data=sent).status_code == 404
    assert cleo.get(f"/connections/simplefin?item={item_id}").status_code == 404
    assert cleo.post(f"/connections/{item_id}/settled").status_code == 404


def test_unlinking_forgets_the_access(ada, offered):
    _, item_id = connect(ada, offered)
    sync.sync_item(ada.household_id, item_id)
    rows = len(query(ada.household_id, LIVE))

    assert ada.post(f"/connections/{item_id}/unlink").status_code == 303

    assert query(ada.household_id, "SELECT access_token FROM items") == [(None,)]
    assert len(query(ada.household_id, LIVE)) == rows
