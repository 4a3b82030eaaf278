/**
 * What operators see: metrics, and logs in which there is no secret.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"

/** Sockets now. */
const connections = Metric.gauge("capsule_connections")
/** Sessions now, with a socket or without. */
const sessions = Metric.gauge("capsule_sessions")
/** Capsules now. */
const capsules = Metric.gauge("capsule_capsules")
/** Sessions that began. */
export const sessionsBegun = Metric.counter("capsule_sessions_total", { incremental: true })
/** Sessions that went on over another socket. */
export const sessionsResumed = Metric.counter("capsule_sessions_resumed_total", { incremental: true })
/** Whom the server turned away, and why. */
const refused = Metric.counter("capsule_refused_total", { incremental: true })

/** What a server has now. */
export interface Held {
  readonly connections: number
  readonly sessions: number
  readonly capsules: number
}

/** The text format of Prometheus, for all metrics of this program. */
export const format = (held: Held): Effect.Effect<string> =>
  Effect.all([
    Metric.update(connections, held.connections),
    Metric.update(sessions, held.sessions),
    Metric.update(capsules, held.capsules)
  ]).pipe(Effect.andThen(PrometheusMetrics.format()))

/** Somebody was turned away. */
export interface Refusal {
  /** One of few words, for the metric. */
  readonly reason: string
  readonly problem: string
  /** From where. */
  readonly address: string | undefined
}

/** Counts those who are turned away, and logs them. */
export type Report = (refusal: Refusal) => void

// Whoever sends strangers without end must not fill the log.
const logged = 10
const perMillis = 1_000

/** As long as the program. */
export const reporter = (context: Context.Context<never>): Report => {
  const run = Effect.runForkWith(context)
  let since = -Infinity
  let count = 0
  return ({ address, problem, reason }) => {
    Metric.withAttributes(refused, { reason }).updateUnsafe(1, context)
    const now = performance.now()
    if (now - since > perMillis) {
      if (count > logged) run(Effect.logWarning(`${count - logged} more were turned away`))
      since = now
      count = 0
    }
    if (++count > logged) return
    run(Effect.logWarning("Turned away").pipe(Effect.annotateLogs({ reason, problem, address })))
  }
}
