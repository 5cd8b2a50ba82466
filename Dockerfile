# Build   docker build -t khabarnameh .
#         Behind a mirror: --build-arg BASE=… --build-arg PIP_INDEX_URL=… --build-arg PIP_TRUSTED_HOST=…
# Set up  docker run --rm -v mailer:/var/lib/mailer khabarnameh init /var/lib/mailer
#         and edit config.toml there, or give settings as -e MAILER_SECTION__KEY=…
# Run     docker run -d --name mailer -v mailer:/var/lib/mailer -p 127.0.0.1:8080:8080 --stop-timeout 30 khabarnameh
# Use     docker exec mailer mailer subscribers list
# Podman and buildah ignore HEALTHCHECK unless called with --format docker.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG PIP_INDEX_URL=
ARG PIP_TRUSTED_HOST=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /src
# Two environments: the image gets only the second one, without build tools and pip.
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/mailer
# The lock files are copied before the code, so that a change of the code does not fetch the libraries again.
COPY requirements-run.lock requirements.lock ./
RUN /opt/build/bin/pip --python /opt/mailer/bin/python install --require-hashes --no-deps -r requirements-run.lock
# pip refuses packages without a hash, so this fails if the build tool ever needs another package.
RUN sed -En '/^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/,/[^\\]$/p' requirements.lock > build.lock \
    && /opt/build/bin/pip install --require-hashes -r build.lock
COPY pyproject.toml README.md LICENSE config.toml ./
COPY templates ./templates
COPY mailer ./mailer
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index -w dist . \
    && /opt/build/bin/pip --python /opt/mailer/bin/python install --no-deps --no-index dist/*.whl \
    && /opt/mailer/bin/python -m compileall -q /opt/mailer/lib

FROM ${BASE}
RUN groupadd --gid 10001 mailer \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/mailer --shell /usr/sbin/nologin mailer \
    && install -d -o mailer -g mailer -m 0750 /var/lib/mailer
COPY --from=build /opt/mailer /opt/mailer
# A container's loopback cannot be reached from outside, so the pages listen on all addresses; publish the port as above.
ENV PATH=/opt/mailer/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MAILER_CONFIG=/var/lib/mailer/config.toml \
    MAILER_WEB__HOST=0.0.0.0
USER 10001
WORKDIR /var/lib/mailer
VOLUME /var/lib/mailer
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["mailer", "health"]
ENTRYPOINT ["mailer"]
CMD ["run"]
