# Workers, beat, migrations and the command line, without TensorFlow: training has its own environment.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /venv
COPY requirements/serve.txt requirements/serve.txt
RUN /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/serve.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY clients/python clients/python
COPY plumbline plumbline
COPY scoring scoring
COPY storage storage
COPY worker worker
COPY monitoring monitoring
COPY training training
COPY migrations migrations
COPY models models
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation --no-index ./clients/python .

FROM python:3.11-slim-bookworm
# tini forwards signals, so that stopping the container drains the worker instead of killing it.
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /app plumbline
COPY --from=build /venv /venv
COPY --chown=plumbline models /app/models
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false \
    PLUMBLINE_MODELS_DIR=/app/models PLUMBLINE_STATE_DIR=/app/state
RUN mkdir /app/state && chown plumbline /app/state
USER plumbline
WORKDIR /app
# Checks this container's own process; `plumbline health --help` lists the exit codes.
HEALTHCHECK --interval=5s --timeout=10s --start-period=60s --retries=3 \
    CMD ["plumbline", "health", "--here", "--timeout", "5"]
ENTRYPOINT ["tini", "--"]
CMD ["celery", "-A", "worker", "worker", "--loglevel", "INFO"]
