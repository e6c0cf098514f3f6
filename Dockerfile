# One image for workers, the page and Flower. `--target demo` adds the simulated Proxmox (fakepve, AGPL-3.0) for deploy/demo.
# Versions of Python packages are those of constraints.txt, which the tests run with.
FROM python:3.13.15-slim-trixie AS python

FROM python AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/phoenix
# Dependencies first, with packages of ours that are empty: a change of the sources installs none of them again.
COPY pyproject.toml constraints.txt ./
COPY scripts/metadata.py scripts/metadata.py
RUN mkdir -p producer/phoenix_producer worker/phoenix_worker \
 && touch README.md LICENSE producer/phoenix_producer/__init__.py worker/phoenix_worker/__init__.py \
 && pip --python /opt/phoenix/bin/python install --no-cache-dir -c constraints.txt ".[worker,monitor,http]"
COPY README.md LICENSE ./
COPY producer producer
COPY worker worker
RUN pip --python /opt/phoenix/bin/python install --no-cache-dir --no-deps --force-reinstall .

FROM build AS build-demo
RUN pip --python /opt/phoenix/bin/python install --no-cache-dir -c constraints.txt ".[demo]"

FROM python AS runtime-base
ARG VERSION=unknown
LABEL org.opencontainers.image.title="phoenix-lxc" \
      org.opencontainers.image.description="Ensure Proxmox LXC containers from native templates, as durable Celery tasks" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
ENV PATH=/opt/phoenix/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
RUN pip uninstall --yes --quiet --root-user-action=ignore pip \
 && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin phoenix \
 && install -d -o 10001 -g 10001 /etc/phoenix /var/lib/phoenix
WORKDIR /etc/phoenix

FROM runtime-base AS demo
LABEL org.opencontainers.image.title="phoenix-lxc-demo" org.opencontainers.image.licenses="MIT AND AGPL-3.0-only"
RUN install -d -o 10001 -g 10001 /demo
USER 10001:10001
COPY --from=build-demo /opt/phoenix /opt/phoenix

FROM runtime-base
USER 10001:10001
COPY --from=build /opt/phoenix /opt/phoenix
CMD ["phoenix-lxc", "worker"]
