"""Where each command that the product prints is typed in a test, or why none types it; and the same of settings.

`test_every_remedy.py` holds this against the source.
"""

from __future__ import annotations

REASONS = {
    "shows": "It only shows something: no complaint ends by it. Its words are read as its program reads them.",
    "node": "It changes a machine (certificates, packages, kernel, clock), as no stand-in does. Its words are known.",
    "filled in": "What is typed depends on what somebody finds or wants; its words are read as its program reads them.",
    "example": "It is an example of what can be asked: there is no complaint before it.",
    "mention": "A text names it, and tells nobody to type it.",
}
_NOT_TYPED: dict[str, tuple[str, ...]] = {
    "shows": (
        "actions/configure_as_root.py: pct config {}",
        "actions/left_disks.py: phoenix-lxc plan {}",
        "actions/watch_addresses.py: pct exec {} -- ip addr",
        "actions/watch_addresses.py: pct status {}",
        "actions/watch_migrations.py: ha-manager status",
        "actions/watch_tasks.py: ha-manager status",
        "actions/watch_tasks.py: pct status {}",
        "core/checkup/cluster.py: pveam available",
        "core/checkup/cluster.py: pvesm status --storage {}",
        "core/checkup/redis.py: phoenix-lxc jobs",
        "core/checkup/redis.py: redis-cli {}--bigkeys",
        "core/model/errors.py: pvecm status",
        "durable/watcher.py: phoenix-lxc jobs",
        "http/guard.py: phoenix-lxc token list",
        "ledger/view.py: phoenix-lxc jobs --all",
        "proxmox/error_table.py: journalctl -u pvedaemon",
        "proxmox/error_table.py: pct listsnapshot {}",
        "proxmox/error_table.py: phoenix-lxc plan {}",
        "proxmox/ssh_errors.py: cat /etc/ssh/ssh_host_*.pub | ssh-keygen -lf -",
        "proxmox/translate.py: pvenode cert info",
    ),
    "node": (
        "telemetry/traces.py: pip install '.[otel]'",
        "celery.py: pip install '.[worker]'",
        "cli/extras.py: pip install '.[{}]'",
        "commands/demo/demo.py: pip install '.[{}]'",
        "commands/demo/embedded.py: pip install '.[demo]'",
        "core/checkup/cluster.py: pveam update",
        "core/checkup/cluster.py: pvecm updatecerts --force",
        "core/checkup/cluster.py: systemctl reload pveproxy",
        "core/checkup/cluster.py: timedatectl set-ntp true",
        "core/checkup/redis.py: timedatectl set-ntp true",
        "core/model/os_templates.py: pveam update",
        "proxmox/error_table.py: apt install skopeo",
        "proxmox/passing_rows.py: sysctl -w fs.file-max=9223372036854775807",
        "proxmox/passing_rows.py: sysctl -w fs.inotify.max_user_instances=1024",
        "proxmox/passing_rows.py: sysctl -w fs.inotify.max_user_watches=1048576",
        "proxmox/passing_rows.py: systemctl restart pvedaemon pveproxy",
        "proxmox/translate.py: pvecm updatecerts --force",
        "proxmox/translate.py: pvenode acme cert order",
        "proxmox/translate.py: systemctl reload pveproxy",
        "proxmox/translate.py: timedatectl set-ntp true",
    ),
    "filled in": (
        "catalog/foreign_keys.py: pct set {} --{} …",
        "catalog/likely_types.py: phoenix-lxc destroy CTID",
        "core/allowed/versions.py: ha-manager rules add node-affinity NAME --resources ct:{} --nodes NODE,NODE",
        "proxmox/error_table.py: pvesm free STORAGE:VOLUME",
    ),
    "example": ("commands/demo/show.py: curl --cacert {} \\",),
    "mention": (
        "http/by_http.py: phoenix-lxc (?P<quoted>[^",
        "http/by_http.py: phoenix-lxc {}",
        "http/guard.py: phoenix-lxc token add",
        "http/token_command.py: phoenix-lxc serve",
        "proxmox/passing_rows.py: sysctl -w",
        "telemetry/ledger_metrics.py: phoenix-lxc cancel",
    ),
}
_TYPED: dict[str, dict[str, tuple[str, ...]]] = {
    "acceptance/test_adopting.py": {
        "test_what_stands_where_a_template_is_declared_is_taken_over_as_the_error_says": (
            "core/allowed/ownership.py: phoenix-lxc adopt {} --seal {}",
            "core/allowed/ownership.py: phoenix-lxc adopt {}{}",
        ),
    },
    "acceptance/test_cannot_work.py": {
        "test_a_disabled_storage_is_said_to_be_disabled": ("core/planned/feasibility.py: pvesm set {} --disable 0",),
    },
    "acceptance/test_copies_half_made.py": {
        "test_what_was_being_created_when_its_node_lost_power_is_passed_over": (
            "actions/copies.py: pct destroy {} --destroy-unreferenced-disks 1",
            "actions/copies.py: pct unlock {}",
        ),
    },
    "acceptance/test_copies_on_silent_nodes.py": {
        "test_a_copy_on_a_node_that_is_offline_is_told_and_left": (
            "actions/standing_copies.py: phoenix-lxc rebuild {}",
        ),
    },
    "acceptance/test_destroying.py": {
        "test_what_forbids_it_is_seen_before_it_is_stopped": (
            "core/allowed/forbidden.py: ha-manager remove ct:{}",
            "core/allowed/forbidden.py: pct delsnapshot {} {}",
            "core/allowed/forbidden.py: pct set {} --delete {}",
            "core/allowed/forbidden.py: pct set {} --protection 0",
            "core/allowed/forbidden.py: pct shutdown {}",
            "core/allowed/forbidden.py: pct unlock {}",
            "proxmox/error_table.py: ha-manager remove ct:{}",
            "proxmox/error_table.py: pct delsnapshot {} NAME",
            "proxmox/error_table.py: pct set {} --protection 0",
        ),
    },
    "acceptance/test_ensured_copies.py": {
        "test_an_ensure_of_a_template_configures_its_copies": ("answers/drift.py: phoenix-lxc ensure {}",),
    },
    "acceptance/test_faults.py": {
        "test_what_does_not_pass_ends_at_the_limit": ("proxmox/passing_rows.py: pct unlock {}",),
    },
    "acceptance/test_ha.py": {
        "test_what_ha_has_given_up_is_told_at_once_and_started_once_it_is_mended": (
            "core/model/ha.py: ha-manager set ct:{} --state disabled",
        ),
    },
    "acceptance/test_inspect.py": {
        "test_jobs_at_work_are_shown_and_one_is_cancelled_by_the_beginning_of_its_id": (
            "core/checkup/redis.py: phoenix-lxc cancel JOB",
            "durable/control.py: phoenix-lxc cancel JOB",
            "durable/start_options.py: phoenix-lxc cancel JOB",
            "ledger/standstill.py: phoenix-lxc cancel {}",
        ),
    },
    "acceptance/test_left_disks.py": {
        "test_the_disk_that_a_dead_worker_of_ours_left_is_freed_if_nobody_has_its_id": (
            "actions/left_disks.py: pvesm free {}",
        ),
    },
    "acceptance/test_migrating.py": {
        "test_what_is_stopped_or_a_template_is_migrated_and_what_runs_with_restart": (
            "core/allowed/migrating.py: pct delsnapshot {} {}",
        ),
    },
    "acceptance/test_nodes.py": {
        "test_a_drained_node_takes_nothing_new_and_keeps_what_it_has": (
            "actions/drained.py: phoenix-lxc undrain {}",
            "core/planned/placement.py: phoenix-lxc undrain NODE",
        ),
    },
    "acceptance/test_protection.py": {
        "test_it_stops_destroy_and_rebuild_before_anything_happens_and_no_change": (
            "core/allowed/forbidden.py: pvesr delete {}",
            "core/checkup/names.py: pvesr delete {}",
            "proxmox/error_table.py: pvesr delete {}",
        ),
    },
    "acceptance/test_remedies.py": {
        "test_each_remedy_removes_its_complaint": (
            "core/differs/outdated.py: phoenix-lxc rebuild {}",
            "core/differs/unchangeable.py: phoenix-lxc destroy {}",
            "core/differs/unchangeable.py: phoenix-lxc ensure {}",
            "core/differs/unchangeable.py: phoenix-lxc rebuild {}",
            "core/planned/again.py: phoenix-lxc destroy {}",
            "core/planned/again.py: phoenix-lxc ensure {}",
            "core/planned/again.py: phoenix-lxc rebuild {}",
        ),
    },
    "acceptance/test_repair.py": {
        "test_without_the_door_all_who_wait_for_a_template_with_a_dead_lock_are_told_at_once": (
            "actions/repair.py: pct unlock {}",
        ),
    },
    "acceptance/test_typed_remedies.py": {
        "test_half_a_template_is_made_whole_as_printed": ("core/model/case.py: pct set {}",),
        "test_names_of_the_firewall_are_made_as_printed": (
            "core/planned/datacenter.py: pvesh create /cluster/firewall/aliases --name {} --cidr ADDRESS",
            "core/planned/datacenter.py: pvesh create /cluster/firewall/groups --group {}",
            "core/planned/datacenter.py: pvesh create /cluster/firewall/ipset --name {}",
        ),
        "test_our_own_commands_remove_their_complaint": (
            "actions/migrate.py: phoenix-lxc ensure {}",
            "core/allowed/forbidden.py: phoenix-lxc ensure {}",
            "core/allowed/migrating.py: phoenix-lxc destroy {}",
            "core/allowed/ownership.py: phoenix-lxc destroy {}",
            "core/differs/outdated.py: phoenix-lxc ensure {}",
            "core/planned/rebuilding.py: phoenix-lxc destroy {}",
            "core/planned/rebuilding.py: phoenix-lxc ensure {}",
        ),
        "test_storages_are_allowed_and_volumes_moved_as_printed": (
            "core/allowed/forbidden.py: pct move-volume {} {} STORAGE",
            "core/allowed/migrating.py: pvesm set {} --nodes {}",
            "core/planned/feasibility.py: pvesm set {} --content {}",
        ),
    },
    "acceptance/test_volumes.py": {
        "test_a_volume_that_the_running_container_cannot_take_needs_a_stop": (
            "proxmox/error_table.py: pct shutdown {}",
        ),
    },
    "acceptance/test_what_stands_there.py": {
        "test_what_a_dead_proxmox_worker_left_is_told_with_the_commands_that_clear_it": (
            "actions/make.py: pct unlock {}",
            "actions/recover.py: pct destroy {} --destroy-unreferenced-disks 1",
            "actions/recover.py: pct unlock {}",
            "core/allowed/ownership.py: pct destroy {} --destroy-unreferenced-disks 1",
            "core/allowed/ownership.py: pct unlock {}",
            "core/model/case.py: umount /var/lib/lxc/{}/rootfs",
        ),
    },
    "acceptance/test_worker_command.py": {
        "test_a_worker_that_the_command_started_serves_and_completes_ctids": (
            "ledger/standstill.py: phoenix-lxc worker",
            "core/checkup/workers.py: phoenix-lxc worker",
        ),
    },
    "contract/test_forced_command.py": {
        "test_what_is_in_the_way_of_a_directory_is_told_with_a_command_that_can_be_typed": (
            "proxmox/root_commands.py: namei -l {}",
            "proxmox/root_commands.py: realpath {}",
        ),
    },
    "contract/test_proxmox_door.py": {
        "test_a_disk_that_was_grown_by_hand_is_shown_after_what_is_said_to_do": (
            "proxmox/error_table.py: pct rescan --vmid {}",
            "proxmox/passing_rows.py: pct rescan --vmid {}",
        ),
    },
    "contract/test_proxmox_errors.py": {
        "test_a_pending_change_is_taken_back_as_the_remedy_prints": ("proxmox/error_table.py: pct set {} --revert {}",),
    },
    "integration/test_check.py": {
        "test_a_fault_of_proxmox_is_found": (
            "core/checkup/cluster.py: pvesm set {} --content {}",
            "core/checkup/cluster.py: pvesm set {} --disable 0",
            "core/checkup/cluster.py: pvesm set {} --nodes {}",
        ),
        "test_what_needs_the_node_shell_is_found_without_one": (
            "core/checkup/shell.py: phoenix-lxc check --accept-not-applied",
        ),
    },
    "integration/test_check_redis.py": {
        "test_a_default_user_without_a_password_is_found": (
            "core/checkup/redis.py: redis-cli {}ACL SETUSER default resetpass '>ADMINPASSWORD'",
        ),
        "test_a_redis_that_forgets_is_found": (
            "core/checkup/redis.py: redis-cli {}CONFIG REWRITE",
            "core/checkup/redis.py: redis-cli {}CONFIG SET appendfsync everysec",
            "core/checkup/redis.py: redis-cli {}CONFIG SET appendonly yes",
            "core/checkup/redis.py: redis-cli {}CONFIG SET maxmemory-policy noeviction",
        ),
    },
    "integration/test_check_settings.py": {
        "test_settings_that_everybody_may_read_are_found": ("check/checkup.py: chmod o-rwx {}",),
    },
    "integration/test_http_limits.py": {
        "test_tokens_are_made_listed_and_revoked": (
            "http/guard.py: phoenix-lxc token add NAME",
            "http/serve_command.py: phoenix-lxc token add NAME",
            "http/this_machine.py: phoenix-lxc token add NAME",
        ),
    },
    "unit/test_catalog_commands.py": {
        "test_a_migration_overwrites_with_write": (
            "catalog/foreign_keys.py: phoenix-lxc migrate FILE --write",
            "catalog/refusals.py: phoenix-lxc migrate FILE --write",
        ),
        "test_the_command_that_looks_at_a_migrated_file_is_typed_as_printed": (
            "commands/migrate.py: phoenix-lxc catalog check {}",
        ),
    },
    "unit/test_catalog_scripts.py": {
        "test_a_script_that_no_interpreter_can_run_is_told_with_the_command_that_mends_it": (
            "catalog/script_checks.py: sed -i '1s/^\\xEF\\xBB\\xBF//' -- {}",
            "catalog/script_checks.py: sed -i 's/\\r$//' -- {}",
        ),
    },
    "unit/test_followed.py": {
        "test_what_other_tools_write_comes_to_what_was_meant": ("catalog/likely_parts.py: curl -fsS {}",),
    },
    "unit/test_grant_remedies.py": {
        "test_after_one_command_nothing_is_missing": (
            'core/allowed/grants.py: pveum acl modify "$path" {}',
            "core/allowed/grants.py: pveum acl modify {} {}",
            "core/allowed/grants.py: pveum role add {} {}",
            "core/allowed/grants.py: pveum role modify {} {} --append 1",
        ),
    },
    "unit/test_startable.py": {
        "test_what_other_users_may_not_read_is_told_and_readable_after_the_command_that_is_printed": (
            "cli/startable.py: chmod -R o+rX {}",
            "cli/startable.py: chmod o+x {}",
        ),
    },
}
_SET: dict[str, dict[str, tuple[str, ...]]] = {
    "acceptance/test_copies.py": {
        "test_a_template_is_copied_once_to_the_node_that_needs_it": ("PHOENIX_COPY_CTIDS",),
    },
    "acceptance/test_faults.py": {
        "test_what_does_not_pass_ends_at_the_limit": ("PHOENIX_PATIENCE",),
    },
    "acceptance/test_rebuilding.py": {
        "test_what_cannot_be_rebuilt_is_refused_before_anything_is_written": ("PHOENIX_SCRATCH_CTIDS",),
    },
    "acceptance/test_settings_of_remedies.py": {
        "test_each_setting_that_scripts_need_removes_its_complaint": (
            "PHOENIX_SCRIPTS",
            "PHOENIX_SCRIPT_TIMEOUT",
            "PHOENIX_SHELL",
        ),
    },
    "integration/test_check_foretells_later.py": {
        "test_workers_with_another_catalog_do_another_thing": ("PHOENIX_CATALOG",),
    },
    "integration/test_check_redis.py": {
        "test_a_login_that_sentinels_refuse_is_blamed_on_their_password": ("PHOENIX_SENTINEL_PASSWORD",),
    },
    "integration/test_check_settings.py": {
        "test_what_is_wrong_with_a_setting_names_it_and_is_gone_once_it_is_right": (
            "PHOENIX_NODE",
            "PHOENIX_PROXMOX_HOST",
            "PHOENIX_PROXMOX_TOKEN_NAME",
            "PHOENIX_PROXMOX_TOKEN_VALUE",
            "PHOENIX_PROXMOX_USER",
            "PHOENIX_REDIS_URL",
        ),
    },
    "integration/test_check_settings_of_doors.py": {
        "test_a_setting_of_shell_access": ("PHOENIX_SHELL_ADDRESSES", "PHOENIX_SHELL_KEY_FILE"),
        "test_a_user_who_is_not_root": ("PHOENIX_SHELL_SUDO", "PHOENIX_SHELL_USER"),
        "test_the_ca_of_proxmox": ("PHOENIX_PROXMOX_CA_FILE",),
        "test_the_ca_of_redis": ("PHOENIX_REDIS_CA_FILE",),
        "test_the_fingerprint_of_proxmox": ("PHOENIX_PROXMOX_FINGERPRINT",),
    },
}


def _by_test(rows: dict[str, dict[str, tuple[str, ...]]]) -> dict[str, str]:
    return {key: f"{file}::{test}" for file, tests in rows.items() for test, keys in tests.items() for key in keys}


COMMANDS = _by_test(_TYPED) | {key: reason for reason, keys in _NOT_TYPED.items() for key in keys}
"""By module and command; what a text leaves open is `{}`."""
SETTINGS = _by_test(_SET)
"""Where one that is wrong, or lacks, is told, and one that is right is not."""
