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
COPY --from=build /opt/flowql /opt/flowql
RUN useradd --system --create-home --home-dir /var/lib/flowql flowql
USER flowql
WORKDIR /var/lib/flowql
ENV PATH=/opt/flowql/bin:$PATH PYTHONUNBUFFERED=1 FLOWQL_HOST=0.0.0.0 FLOWQL_PORT=8000
EXPOSE 8000
HEALTHCHECK --start-period=10s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/-/health/live/', timeout=3)"]
ENTRYPOINT ["flowql"]
CMD ["serve"]
