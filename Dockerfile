# Installs FlowQL from its wheel with the pinned requirements, and runs it as an unprivileged user.
FROM python:3.11-slim AS build
ENV PATH=/opt/flowql/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/flowql
COPY requirements.lock /source/
RUN pip install --require-hashes --no-deps --requirement /source/requirements.lock
COPY . /source
RUN pip install --no-index --no-deps --no-build-isolation /source \
 && flowql explorer install \
 && pip uninstall --yes uv-build pip setuptools

FROM python:3.11-slim
LABEL org.opencontainers.image.title="FlowQL" \
      org.opencontainers.image.description="A GraphQL gateway for authentik's flows that also serves authentik's REST endpoint." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11-slim"
COPY --from=build /opt/flowql /opt/flowql
RUN useradd --uid 10001 --user-group --create-home --home-dir /var/lib/flowql --shell /usr/sbin/nologin flowql
WORKDIR /var/lib/flowql
# Kubernetes can only check that a numeric user is not root.
USER 10001:10001
ENV PATH=/opt/flowql/bin:$PATH PYTHONUNBUFFERED=1 FLOWQL_HOST=0.0.0.0 FLOWQL_PORT=8000
# Docker copies the empty database to a new volume.
RUN flowql migrate
VOLUME /var/lib/flowql
EXPOSE 8000
HEALTHCHECK --start-period=10s CMD ["python", "-c", "import os, sys; from http.client import HTTPConnection; connection = HTTPConnection(os.environ['FLOWQL_HOST'], int(os.environ['FLOWQL_PORT']), timeout=3); connection.request('GET', '/-/health/live/'); sys.exit(connection.getresponse().status != 200)"]
ENTRYPOINT ["flowql"]
CMD ["serve"]
