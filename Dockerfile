# One image for gateway, worker and migrations: `docker build -t leadhub .`; compose.yaml shows the three together.
# The package is not installed but run from /app/src, as in a checkout: /app/migrations lies where the code looks for it.

FROM python:3.13-slim AS build
WORKDIR /app
# Without pip: nothing in the final environment can install anything.
RUN python -m venv --without-pip /opt/venv
COPY requirements.lock ./
RUN pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check --no-deps \
        --require-hashes --only-binary :all: -r requirements.lock \
    && rm requirements.lock
COPY alembic.ini ./
COPY migrations migrations
COPY src src
RUN /opt/venv/bin/python -m compileall -q src migrations

FROM python:3.13-slim
RUN groupadd --gid 10001 leadhub \
    && useradd --uid 10001 --gid leadhub --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin leadhub \
    && rm -rf /usr/local/lib/python3*/site-packages/pip* /usr/local/bin/pip*
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app/src \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LEADHUB_HOST=0.0.0.0 \
    LEADHUB_PORT=8080
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8080
# The gateway's; a worker or a migration has no port and switches it off.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"LEADHUB_PORT\"]}/health/live', timeout=4)"]
CMD ["python", "-m", "leadhub", "serve"]
