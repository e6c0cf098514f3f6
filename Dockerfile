# One image for workers and Flower. `--target demo` adds the simulated Proxmox (fakepve, AGPL-3.0) for the demo profile.
# Versions of Python packages are those of constraints.txt, which the tests run with.
FROM python:3.13.15-slim-trixie AS python

FROM python AS build
WORKDIR /src
RUN python -m venv /opt/phoenix
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY producer producer
COPY worker worker
RUN /opt/phoenix/bin/pip install --no-cache-dir -c constraints.txt ".[worker,monitor]"

FROM build AS build-demo
RUN /opt/phoenix/bin/pip install --no-cache-dir -c constraints.txt ".[demo]"

FROM python AS runtime-base
ENV PATH=/opt/phoenix/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin phoenix \
 && install -d -o 10001 -g 10001 /etc/phoenix /demo
WORKDIR /etc/phoenix
USER 10001:10001

FROM runtime-base AS demo
COPY --from=build-demo /opt/phoenix /opt/phoenix

FROM runtime-base
COPY --from=build /opt/phoenix /opt/phoenix
CMD ["celery", "-A", "phoenix_worker", "worker", "--loglevel", "INFO"]
