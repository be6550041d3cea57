"""The worker's entry."""


def test_every_task_of_the_schedule_is_one_that_the_worker_has():
    from app import tasks  # reads the environment

    tasks._load_tasks()

    scheduled = {entry["task"] for entry in tasks.app.conf.beat_schedule.values()}
    assert scheduled <= tasks.app.tasks.keys()
    assert "connections.sync_item" in tasks.app.tasks
