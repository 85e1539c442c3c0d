# One image for every process of Yuyue; the command says which. It runs as an unprivileged user and writes nothing but
# what is mounted: the root can be read-only.

FROM python:3.13-slim AS build
WORKDIR /app
RUN python -m venv /opt/yuyue
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/build.txt requirements/runtime.txt requirements/
# Nothing is installed whose hash is not in the lock.
RUN /opt/yuyue/bin/pip install --require-hashes -r requirements/build.txt -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY services services
COPY migrations migrations
RUN /opt/yuyue/bin/pip install --no-deps --no-build-isolation --editable . \
    && /opt/yuyue/bin/python -m compileall -q shared services migrations

FROM python:3.13-slim
RUN groupadd --system --gid 10001 yuyue \
    && useradd --system --uid 10001 --gid yuyue --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin yuyue \
    && install -d -o yuyue -g yuyue -m 0700 /keys /keys/booking /keys/notify /data
COPY --from=build /opt/yuyue /opt/yuyue
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/yuyue/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["yuyue"]
CMD ["--help"]
