"""k8s/, played with Podman as far as that goes."""

from scripts.containers.engine import Engine


def play(engine: Engine) -> None:
    """Filled in below."""
    del engine
