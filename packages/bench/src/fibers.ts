/**
 * How many fibers are alive, by what Effect's runtime tells of each start and end.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** A count of fibers. */
export class Fibers implements Metric.FiberRuntimeMetricsService {
  alive = 0

  recordFiberStart(): void {
    this.alive++
  }

  recordFiberEnd(): void {
    this.alive--
  }

  /** Counts those of this effect. */
  readonly counting = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(effect, Metric.FiberRuntimeMetrics, this)
}
