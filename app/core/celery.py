"""The Celery object: Redis carries hints to the workers, PostgreSQL holds what is due."""

from celery import Celery
from kombu.entity import Exchange, Queue

from app.core.config import settings

DEFAULT_QUEUE, SYNC_QUEUE = "celery", "sync"
"""Upkeep of milliseconds, and work that waits for banks and can be much: each has workers of its
own where `--queues` says so; a worker without it serves both."""

celery = Celery("fintech", broker=settings.REDIS_URL.get_secret_value())
celery.conf.update(
    accept_content=["json"],
    task_serializer="json",
    result_serializer="json",
    task_ignore_result=True,
    task_queues=[
        Queue(name, Exchange(name), routing_key=name)  # type: ignore[no-untyped-call]
        for name in (DEFAULT_QUEUE, SYNC_QUEUE)
    ],
    task_routes={
        "connections.sync_item": SYNC_QUEUE,
        "connections.finish_link": SYNC_QUEUE,
        "privacy.erase": SYNC_QUEUE,
    },
    # A lost worker's work is found again through its lease in PostgreSQL, not redelivered by
    # Redis, which would run work that takes long a second time beside itself.
    task_acks_late=False,
    task_soft_time_limit=270,
    task_time_limit=300,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=1_000,
    # Tasks wait for banks: threads do that in one process and little memory.
    worker_pool="threads",
    worker_concurrency=min(16, settings.DATABASE_POOL_SIZE),
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_timeout=2,
    broker_transport_options={
        "visibility_timeout": 900,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "retry_on_timeout": True,
        "max_retries": 1,
        "interval_start": 0,
        "interval_max": 0.2,
    },
    task_publish_retry=False,
    timezone="UTC",
    beat_max_loop_interval=5,
)
celery.set_default()
