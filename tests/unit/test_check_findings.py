"""Every finding of `phoenix-lxc check`: the test that shows it, and the test in which the product fails of it unasked.

The places that make findings are read out of the source, so that a new one without a row here fails.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from tests.integration.test_check_foretells import ROWS
from tests.support.check_sites import sites

TESTS = Path(__file__).parents[1]
CHECK, LATER = "integration/test_check.py::", "integration/test_check_foretells_later.py::"
NAMES, REDIS = "integration/test_check_names.py::", "integration/test_check_redis.py::"
SERVER, SHELL = "integration/test_check_foretells_redis.py::", "integration/test_check_foretells_shell.py::"
START, REACHING = "crash/test_starting.py::", "integration/test_check_reaching.py::"

ALSO: dict[str, tuple[str, str]] = {
    "check._lines error": (
        f"{CHECK}test_settings_that_are_wrong_are_told_and_nothing_else",
        "acceptance/test_starting.py::test_settings_and_catalogs_that_are_wrong_stop_the_start",
    ),
    "checkup._settings warning": (
        "integration/test_check_settings.py::test_settings_that_everybody_may_read_are_found",
        f"{LATER}test_everybody_reads_a_secret_in_a_file_that_everybody_may_read",
    ),
    "checkup._catalog error 1": (
        f"{CHECK}test_a_catalog_that_is_refused_is_told_with_each_reason",
        "acceptance/test_starting.py::test_settings_and_catalogs_that_are_wrong_stop_the_start",
    ),
    "checkup._catalog error 2": (
        f"{CHECK}test_a_script_that_is_not_there_is_found",
        "acceptance/test_scripts.py::test_a_missing_script_is_refused_before_anything_is_made",
    ),
    "checkup._catalog warning": (
        f"{CHECK}test_what_needs_the_node_shell_is_found_without_one",
        f"{SHELL}test_a_raw_key_that_proxmox_does_not_know_is_never_there",
    ),
    "checkup._redis error 1": (
        f"{REDIS}test_a_refused_login_is_blamed_on_the_setting_that_has_it",
        f"{START}test_a_redis_that_refuses_the_password_is_a_wrong_setting",
    ),
    "checkup._redis error 2": (
        f"{REDIS}test_a_redis_that_cannot_be_used_is_found",
        f"{START}test_a_worker_that_waits_for_redis_heeds_signals",
    ),
    "cluster._certificate warning": (
        f"{CHECK}test_a_fault_of_proxmox_is_found",
        f"{LATER}test_without_its_renewal_a_certificate_ends_and_nothing_is_asked_any_more",
    ),
    "cluster._clock warning": (
        f"{CHECK}test_a_fault_of_proxmox_is_found",
        f"{LATER}test_by_a_clock_that_is_behind_a_certificate_is_not_valid_yet",
    ),
    "copies.judge_copy_ctids warning": (
        "integration/test_check_cluster.py::test_a_guest_at_a_ctid_for_copies_is_found_and_passed_over",
        "integration/test_check_cluster.py::test_a_guest_at_a_ctid_for_copies_is_found_and_passed_over",
    ),
    "names.judge_firewall_names error": (
        f"{NAMES}test_a_name_in_a_firewall_that_there_is_none_of_is_found",
        f"{NAMES}test_nothing_is_made_of_what_names_nothing",
    ),
    "names.judge_firewall_names warning": (
        f"{NAMES}test_a_name_in_a_firewall_that_there_is_none_of_is_found",
        f"{NAMES}test_nothing_is_made_of_what_names_nothing",
    ),
    "names.judge_replication warning": (
        f"{NAMES}test_replication_jobs_are_found_since_nothing_with_one_is_deleted",
        f"{NAMES}test_replication_jobs_are_found_since_nothing_with_one_is_deleted",
    ),
    "names.judge_tags error": (
        f"{NAMES}test_a_tag_that_only_administrators_may_set_is_found_before_anything_is_made",
        f"{NAMES}test_a_tag_that_only_administrators_may_set_is_found_before_anything_is_made",
    ),
    "placing._strange_names warning": (
        f"{CHECK}test_what_may_be_on_several_nodes_is_placed_for_the_check",
        "acceptance/test_placing.py::test_each_goes_where_there_is_room_and_is_told_why_and_stays",
    ),
    "placing._unsuitable warning": (
        "integration/test_check_cluster.py::test_a_node_on_which_nothing_can_be_placed_is_found",
        "integration/test_check_cluster.py::test_nothing_is_placed_on_a_node_that_cannot_have_it",
    ),
    "privileges.judge_lasting warning": (
        "integration/test_check_grants.py::test_grants_that_go_with_the_container_are_found",
        "acceptance/test_grants.py::test_a_grant_on_a_ctid_goes_with_the_container",
    ),
    "privileges.judge_privileges error": (
        "integration/test_check_privileges.py::test_a_request_fails_of_each_privilege_that_is_said_to_lack",
        "integration/test_check_privileges.py::test_a_request_fails_of_each_privilege_that_is_said_to_lack",
    ),
    "proxmox_lines._quorum warning": (
        f"{CHECK}test_a_fault_of_proxmox_is_found",
        f"{LATER}test_a_token_that_may_not_ask_for_the_quorum_destroys_without_it",
    ),
    "redis._access error": (
        f"{REDIS}test_a_redis_user_that_may_not_do_it_is_found",
        "integration/test_cli_redis_troubles.py::test_a_user_who_may_do_nothing",
    ),
    "redis._access warning 1": (
        "unit/test_checkup_redis.py::test_a_line_about_redis",
        f"{LATER}test_on_an_unencrypted_line_requests_are_read_and_without_a_password_made_by_anybody",
    ),
    "redis._access warning 2": (
        "unit/test_checkup_redis.py::test_a_line_about_redis",
        f"{LATER}test_on_an_unencrypted_line_requests_are_read_and_without_a_password_made_by_anybody",
    ),
    "redis._clock warning": (
        f"{REDIS}test_a_clock_that_is_another_than_this_machine_s_is_found",
        "integration/test_webhooks.py::test_a_signature_is_by_the_clock_of_redis",
    ),
    "redis._default_user warning": (
        f"{REDIS}test_a_default_user_without_a_password_is_found",
        f"{REDIS}test_a_default_user_without_a_password_is_found",
    ),
    "redis._eviction error": (
        f"{REDIS}test_a_redis_that_forgets_is_found",
        f"{START}test_a_redis_that_evicts_and_forgets_is_refused",
    ),
    "redis._memory warning": (
        f"{SERVER}test_a_server_that_is_nearly_full_is_full_soon_and_takes_no_requests",
        f"{SERVER}test_a_server_that_is_nearly_full_is_full_soon_and_takes_no_requests",
    ),
    "redis._persistence error 1": (
        f"{REDIS}test_a_redis_that_forgets_is_found",
        f"{START}test_a_redis_that_evicts_and_forgets_is_refused",
    ),
    "redis._persistence error 2": (
        f"{SERVER}test_a_server_whose_disk_is_full_takes_no_requests",
        f"{SERVER}test_a_server_whose_disk_is_full_takes_no_requests",
    ),
    "redis._place error 1": (
        f"{SERVER}test_a_node_of_a_cluster_is_found_and_no_worker_starts_on_it",
        f"{SERVER}test_a_node_of_a_cluster_is_found_and_no_worker_starts_on_it",
    ),
    "redis._place error 2": (
        f"{SERVER}test_a_replica_takes_no_requests",
        f"{SERVER}test_a_replica_takes_no_requests",
    ),
    "redis.judge warning 1": (
        f"{REDIS}test_a_redis_user_that_may_not_do_it_is_found",
        f"{SERVER}test_one_who_may_not_read_the_settings_finds_nothing_wrong_with_them",
    ),
    "redis.judge warning 2": (
        f"{SERVER}test_a_job_that_is_set_aside_is_found_and_never_ends",
        f"{SERVER}test_a_job_that_is_set_aside_is_found_and_never_ends",
    ),
    "shell.judge_forbidden error": (
        f"{SHELL}test_what_the_forced_command_does_not_allow_is_refused_and_by_an_old_one_only_half_way",
        f"{SHELL}test_what_the_forced_command_does_not_allow_is_refused_and_by_an_old_one_only_half_way",
    ),
    "shell.judge_forbidden warning": (
        f"{SHELL}test_what_the_forced_command_does_not_allow_is_refused_and_by_an_old_one_only_half_way",
        f"{SHELL}test_what_the_forced_command_does_not_allow_is_refused_and_by_an_old_one_only_half_way",
    ),
    "shell.judge_probe error": (
        f"{CHECK}test_the_node_shell_is_tried",
        f"{SHELL}test_where_root_s_commands_are_refused_scripts_are_too",
    ),
    "workers._catalogs error 1": (
        "unit/test_checkup_words.py::test_lines_about_workers",
        "acceptance/test_starting.py::test_settings_and_catalogs_that_are_wrong_stop_the_start",
    ),
    "workers._catalogs error 2": (
        f"{LATER}test_workers_with_another_catalog_do_another_thing",
        "acceptance/test_catalog_changes.py::test_a_worker_that_never_saw_the_older_declaration_says_so",
    ),
    "workers._catalogs warning 1": (
        f"{LATER}test_workers_with_another_catalog_do_another_thing",
        f"{LATER}test_workers_with_another_catalog_do_another_thing",
    ),
    "workers._catalogs warning 2": (
        f"{CHECK}test_a_catalog_that_is_refused_here_is_not_said_to_be_the_workers",
        "acceptance/test_starting.py::test_settings_and_catalogs_that_are_wrong_stop_the_start",
    ),
    "workers._versions warning": (
        "unit/test_checkup_words.py::test_lines_about_workers",
        "crash/test_versions.py::test_what_a_newer_version_recorded_waits_for_a_newer_worker",
    ),
    "workers.judge_queues warning": (
        "unit/test_checkup_words.py::test_a_line_about_queues_that_no_worker_takes_from",
        "acceptance/test_queues.py::test_what_waits_in_a_queue_that_no_worker_takes_from_is_told",
    ),
    "workers.judge_workers warning 1": (
        f"{CHECK}test_no_worker_is_a_warning",
        f"{LATER}test_without_a_worker_or_with_one_that_hangs_requests_wait",
    ),
    "workers.judge_workers warning 2": (
        f"{LATER}test_without_a_worker_or_with_one_that_hangs_requests_wait",
        f"{LATER}test_without_a_worker_or_with_one_that_hangs_requests_wait",
    ),
}
"""What no row of `test_check_foretells.ROWS` shows: where it is shown, and where the product fails of it."""
FORETELLS_NOTHING: dict[str, tuple[str, str]] = {
    "cluster.judge_version warning": (
        "unit/test_checkup_nodes.py::test_versions_before_8_are_warned_of_and_a_lost_quorum_is_an_error",
        "It says that nobody tried this version; what it lacks for the catalog is `versions.judge_keys error`.",
    ),
    "redis._version warning": (
        "unit/test_checkup_redis.py::test_a_line_about_redis",
        "It says that nobody tried this version.",
    ),
    "redis._persistence warning": (
        f"{REDIS}test_a_redis_that_forgets_is_found",
        "It takes a power cut: what a process wrote outlives its own death.",
    ),
}
"""Where it is shown, and why nothing fails of it in a test."""


def test_every_finding_has_a_test_in_which_the_product_fails_of_it() -> None:
    rows = [site for row in ROWS for site in row.sites]
    apart = [*ALSO, *FORETELLS_NOTHING]
    assert sorted(set(rows) | set(apart)) == sorted(sites().values()), "rows, or places of the source, are missing"
    assert not set(rows) & set(apart), "one row is enough"


def test_the_tests_of_the_table_exist() -> None:
    named = {test for pair in ALSO.values() for test in pair} | {shown for shown, _ in FORETELLS_NOTHING.values()}
    missing = [test for test in named if test.partition("::")[2] not in _tests_of(test.partition("::")[0])]
    assert missing == []


@cache
def _tests_of(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
