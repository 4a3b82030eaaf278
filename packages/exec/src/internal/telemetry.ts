/**
 * Metrics and span attributes. Counted per process, never per chunk, so that measuring costs nothing on the data path.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Command } from "../Command.ts"

/** Processes started. */
export const processes = Metric.counter("exec_processes_total", { incremental: true })
/** Bytes of output read. */
export const outputBytes = Metric.counter("exec_output_bytes_total", { incremental: true })
/** Bytes that rings evicted before the process ended. */
export const evictedBytes = Metric.counter("exec_evicted_bytes_total", { incremental: true })
/** Trees that did not heed TERM and got KILL. */
export const killEscalations = Metric.counter("exec_kill_escalations_total", { incremental: true })
/** Trees of which something could not be ended. */
export const leftovers = Metric.counter("exec_leftovers_total", { incremental: true })
/** Milliseconds from the start to the first byte. */
export const firstByte = Metric.histogram("exec_first_byte_milliseconds", {
  boundaries: Metric.exponentialBoundaries({ start: 0.5, factor: 2, count: 16 })
})

/** What a span tells of a command: the program's name. Arguments and environment may hold secrets. */
export const spanAttributes = (host: { readonly name: string }, command: Command): Record<string, unknown> => ({
  "exec.backend": host.name,
  // What is no command is refused later, by name.
  "process.executable.name": command.argv?.[0]
})

/** Says that processes may be left behind, where people, spans and metrics see it. */
export const reportLeftover = (backend: { readonly name: string }, pid: number): Effect.Effect<void> =>
  Effect.logWarning("Some processes could not be ended").pipe(
    Effect.annotateLogs({ backend: backend.name, "process.pid": pid }),
    Effect.andThen(Metric.update(leftovers, 1)),
    Effect.andThen(Effect.annotateCurrentSpan("exec.leftover", true))
  )
