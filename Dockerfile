# One image for both services: `turnlog serve`, which is the default, and `turnlog-mcp --http`.
# With requirements-web.lock in place of the server's, also for `turnlog web`.
FROM python:3.13-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
# The pip of the base image installs into an environment that has none of its own.
RUN python -m venv --without-pip /opt/turnlog
WORKDIR /src
ARG REQUIREMENTS=requirements-server.lock
COPY ${REQUIREMENTS} requirements.lock
RUN pip --python /opt/turnlog/bin/python install --only-binary=:all: --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY kit kit
COPY mcp_server mcp_server
COPY chat_api chat_api
COPY web_ui web_ui
COPY migrations migrations
RUN pip --python /opt/turnlog/bin/python install --no-deps --no-build-isolation .

FROM python:3.13-slim-trixie
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Turnlog" \
      org.opencontainers.image.description="A self-hosted agent backend where a turn is a log." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
# A volume that is mounted on /data or /shared for the first time takes over its owner.
RUN groupadd --gid 10001 turnlog \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home \
       --home-dir /data --shell /usr/sbin/nologin turnlog \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data /shared
COPY --from=build /opt/turnlog /opt/turnlog
ENV PATH=/opt/turnlog/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    API_HOST=0.0.0.0 \
    DATA_DIR=/data
WORKDIR /opt/turnlog
USER 10001:10001
EXPOSE 8000 8001 8501
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=8); c.request('GET', '/api/v1/health/ready'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["turnlog", "serve"]
