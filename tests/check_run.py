"""Look at a finished run as a script of somebody else's would: `python tests/check_run.py results/RUN`.

Uses the files of the contract only. Says what is wrong and exits 1.
"""

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

COLUMNS: Mapping[str, str] = {
    "steps": "framework, mode, workload, optimizer, size, precision, device, allocator, status, reason, step_us,"
    " ci_low_us, ci_high_us, replicates, rounds, steps_per_round, first_step_ms, speedup_vs_eager, break_even_steps,"
    " flags, fit_overhead_ms, verdict, spread_within, spread_between, rounds_shape, replicates_invalid,"
    " first_calls, form, batch, variant",
    "scaling": "framework, mode, workload, optimizer, size, precision, device, allocator, status, reason, ranks,"
    " scaling, step_us, step_low_us, step_high_us, samples_per_s, speedup, efficiency, efficiency_low,"
    " efficiency_high,"
    " communication, communication_low, communication_high, overhead, overhead_low, overhead_high, plain,"
    " efficiency_is, first_step_ms, start_ms, memory_bytes, processes, backend, operations, collectives,"
    " reduced_bytes, flags, replicates, samples, variant",
    "variants": "framework, mode, workload, optimizer, size, precision, device, allocator, status, reason, batch,"
    " ranks, scaling, ratio, ratio_low, ratio_high, verdict, step_us, blocks, first_step_ms, first_step_ratio,"
    " first_step_ratio_low, first_step_ratio_high, peak_bytes, import_ms, import_ratio, installed_bytes,"
    " max_loss_deviation, bits, loss_difference, python, changed, reference, variant",
    "growth": "framework, mode, workload, optimizer, size, precision, device, allocator, status, reason, step_us,"
    " steps_per_s, samples_per_s, gflop_per_s, gbyte_per_s, speedup_vs_eager, bound, share_of_limit, times_launch,"
    " limit_missing, variant",
    "crossovers": "framework, mode, workload, optimizer, precision, device, baseline, sizes, speedups, ahead_from,"
    " variant",
    "limits": "library, kind, precision, size, status, reason, gflop_per_s, gbyte_per_s, launch_us, rounds",
    "compile": "framework, mode, workload, optimizer, size, precision, device, allocator, status, reason, baseline,"
    " first_step_cold_ms, cold_count, cold_class, cold_cache_hits, cold_cache_misses, cold_cache_entries,"
    " first_step_warm_ms, warm_count, warm_class, warm_cache_hits, warm_cache_misses, warm_cache_entries, saving_us,"
    " saving_low_us, saving_high_us, break_even_cold_steps, break_even_cold_low, break_even_cold_high,"
    " break_even_warm_steps, break_even_warm_low, break_even_warm_high, cold_calls, warm_calls, batch, variant",
    "inference": "framework, mode, exporter, format, workload, optimizer, size, precision, device, allocator, status,"
    " reason, latency_us, latency_low_us, latency_high_us, p99_us, p99_low_us, p99_high_us, p99_rounds,"
    " p99_missing, samples_per_s, deviation, artifact_bytes, export_ms, artifact_sha256,"
    " artifact_producer, own_mode, speedup_vs_own, break_even_calls, peak_rss_bytes, replicates, batch,"
    " rms_deviation, agreement, labels, loss, reference_loss, correct, reference_correct, artifact_zipped_bytes,"
    " variant",
    "cold_start": "framework, mode, exporter, format, workload, optimizer, size, precision, device, allocator, status,"
    " reason, startup_ms, import_ms, load_ms, first_ms, total_ms, warm_first_ms, warm_missing, replicates,"
    " batch, emptied_import_ms, emptied_load_ms, emptied_first_ms, emptied_together_ms, emptied_read_bytes,"
    " emptied_missing, variant",
    "proof": "framework, mode, workload, optimizer, size, precision, device, allocator, status, reason, verdict,"
    " mode_found, parameters_device, parameters_dtype, output_device, output_dtype, threads_asked, threads_reported,"
    " threads_used, traces, compilations, compilations_timed, graph_breaks, graph_breaks_declared, guard_failures,"
    " graphs, cuda_graphs, cuda_graphs_skipped, matmul_precision, tf32, deterministic, evidence, batch, ranks,"
    " scaling, variant",
    "reproducibility": "framework, mode, workload, optimizer, size, precision, device, allocator, status, reason,"
    " one_process, two_processes, processes, other_threads, threads, threads_of_repeat, largest_loss_difference,"
    " unchecked, batch, ranks, scaling, variant",
    "accuracy": "framework, mode, workload, optimizer, weight, bias, within_tolerance, max_loss_deviation,"
    " data_sha256, init_sha256, size, precision, first_loss, last_loss, max_parameter_deviation, gradient_norm,"
    " max_gradient_deviation, worst_gradient, batch, ranks, scaling, variant",
    "memory": "framework, mode, workload, allocator, context_bytes, allocated_peak_bytes, reserved_peak_bytes,"
    " device_peak_bytes, host_peak_rss_bytes, device_allocations_warmup, device_allocations_timed, residue_bytes,"
    " optimizer, size, precision, device, status, reason, reserved_per_allocated, unexplained_bytes,"
    " growth_bytes_per_step, growth_low_bytes_per_step, growth_high_bytes_per_step, fragmentation, emptied_bytes,"
    " exit_bytes, import_rss_bytes, build_rss_bytes, training_peak_rss_bytes, host_growth_bytes_per_step,"
    " host_growth_low_bytes_per_step, host_growth_high_bytes_per_step, host_residue_bytes, own_bytes, batch, ranks,"
    " scaling, variant",
    "energy": "framework, mode, workload, optimizer, size, precision, device, allocator, status, reason,"
    " energy_per_step_uj, energy_run_j, idle_w, window_s, energy_replicates, energy_missing, batch, variant",
    "streaming": "framework, mode, workload, optimizer, size, precision, device, allocator, status, reason, stream,"
    " format, both_sample_ns, stall, pipeline_sample_ns, step_sample_ns, cold_sample_ns, both_cpu_sample_us,"
    " pipeline_cpu_sample_us, cores, memory_bytes, memory_kind, first_batch_ms, processes, threads, stream_cpus,"
    " of_page_cache, samples_sha256, stream_replicates, variant",
    "eras": "era, framework, mode, workload, optimizer, size, precision, device, allocator, status, reason, period,"
    " version, interpreter, step_us, first_step_ms, ready_ms, peak_rss_bytes, program_lines, formula,"
    " max_loss_deviation, formula_told, told_deviation, variant",
    "not_had": "era, framework, status, why, tried",
    "code": "framework, lines, total_seconds, weight, bias, within_tolerance, variant",
    "claims": "claim, words, verdict, measured, needs, command",
    "session": "figure, framework, mode, kind, precision, size, status, reason, count, ratio, ci_low, ci_high, floor,"
    " largest_drift, largest_drift_block, variant",
    "hosts": "framework, mode, workload, optimizer, size, precision, device, allocator, status, reason, host, blocks,"
    " step_us, to_fastest, host_spread, batch, variant",
}


def faults(run: Path) -> Iterator[str]:
    """Yield one sentence for each thing that is not as the contract says."""
    facts = json.loads((run / "run.json").read_text())
    lines = (run / "records.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    last = {(json.dumps(one["cell"]), one["block"]): one for one in records}  # a second attempt stands for the first
    replicates = [one for one in last.values() if one["cell"]["track"] != "export"]
    if len(replicates) != facts["replicates"] and facts["blocks_run"] == facts["blocks"]:
        yield f"{len(replicates)} replicates, {facts['replicates']} were planned"
    yield from (
        f"{one['cell']}: {one['status']}, {one['reason']}"
        for one in last.values()
        if one["status"] != "ok" and not (one["status"] == "skipped" and one["reason"])
    )
    files = ("plan.json", "samples.parquet", "report/index.html", "report/steps.md")
    missing = [
        name for name in (*files, *(f"report/csv/{table}.csv" for table in COLUMNS)) if not (run / name).is_file()
    ]
    yield from (f"{name} is missing" for name in missing)
    if any(name.startswith("report") for name in missing):
        return
    page = (run / "report/index.html").read_text()
    if 'src="http' in page or "@import" in page or 'rel="stylesheet"' in page:
        yield "the page asks for something that is not in it"
    tables = {name: rows(run, name) for name in COLUMNS}
    for name, (header, _) in tables.items():
        if header != COLUMNS[name].split(", "):
            yield f"{name}.csv has other columns: {header}"
    yield from wrong_numbers(tables["steps"][1], tables["code"][1])
    yield from wrong_results(tables["accuracy"][1])
    yield from wrong_evidence(tables["compile"][1], tables["proof"][1], tables["reproducibility"][1])


def rows(run: Path, name: str) -> tuple[Sequence[str], list[dict[str, str]]]:
    """Return header and rows of a table."""
    with (run / "report" / "csv" / f"{name}.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        found = list(reader)
        return reader.fieldnames or (), found


def wrong_numbers(steps: list[dict[str, str]], code: list[dict[str, str]]) -> Iterator[str]:
    """Yield what the numbers cannot be."""
    for row in steps:
        if row["status"] == "skipped":
            continue
        low, step, high = (float(row[column] or "nan") for column in ("ci_low_us", "step_us", "ci_high_us"))
        if row["replicates"] == "1":  # one makes no interval
            low = high = step
        if not low <= step <= high:
            yield f"{row['framework']} {row['mode']}: {step} is not in {low} to {high}"
    for row in code:
        wrong = row["total_seconds"] and row["within_tolerance"].lower() != "true"  # not every run runs it
        if wrong or int(row["lines"]) < 1:
            yield f"{row['framework']}: its hello world is not within tolerance"


def wrong_results(accuracy: list[dict[str, str]]) -> Iterator[str]:
    """Yield what was computed and should not have been; a skipped cell computed nothing."""
    for row in accuracy:
        if row["max_loss_deviation"] == "":
            continue
        allowed = 1e-4 if row["workload"] == "regression" else 1e-3
        if not float(row["max_loss_deviation"]) <= allowed or row["within_tolerance"].lower() == "false":
            yield f"{row['framework']} {row['mode']}: not within tolerance"
    for column in ("data_sha256", "init_sha256"):
        told = {(row["workload"], row["size"]): set[str]() for row in accuracy}
        for row in accuracy:
            told[row["workload"], row["size"]] |= {row[column]} - {""}
        if any(len(different) > 1 for different in told.values()):
            yield f"{column} differs between frameworks"


def wrong_evidence(
    compile_cost: list[dict[str, str]], proof: list[dict[str, str]], reproducibility: list[dict[str, str]]
) -> Iterator[str]:
    """Yield what contradicts a good run: a mode not proved, a cold start that was warm, a process that differs."""
    for row in proof:
        name = f"{row['framework']} {row['mode']}"
        if row["status"] == "skipped":
            continue
        if row["verdict"] != "proved" or row["mode_found"] != row["mode"] or row["tf32"] == "true":
            yield f"{name}: its mode is not proved ({row['mode_found']})"
        breaks = int(row["graph_breaks"] or 0) > int(row["graph_breaks_declared"] or 0)
        if breaks or any(row[count] not in ("", "0") for count in ("compilations_timed", "guard_failures")):
            yield f"{name}: compiled in the rounds, broke its graph or failed a guard"
        if not row["evidence"] or not float(row["threads_used"] or "nan") <= 1.1 * int(row["threads_asked"]):
            yield f"{name}: no evidence, or more threads than were asked for"
    for row in compile_cost:
        if row["cold_class"] == "warm" or row["warm_class"] == "cold":
            yield f"{row['framework']} {row['mode']}: cold found {row['cold_class']}, warm found {row['warm_class']}"
    for row in reproducibility:
        if row["status"] != "skipped" and not row["one_process"]:
            yield f"{row['framework']} {row['mode']}: not run twice in one process ({row['unchecked']})"


if __name__ == "__main__":
    wrong = [f"{path}: {fault}" for path in sys.argv[1:] for fault in faults(Path(path))]
    print("\n".join(wrong) or f"{len(sys.argv) - 1} run(s) as the contract says")
    sys.exit(bool(wrong))
