/**
 * Durations and sizes, as people type and read them.
 */
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

/** A value, or what is wrong with the text. */
export type Parsed<A> = Result.Result<A, string>

const units: Readonly<Record<string, string>> = { ms: "millis", s: "seconds", m: "minutes", h: "hours", d: "days" }

/** `30s`, `5m`, `1.5h`, `5 minutes`; `none` is no limit. */
export const duration = (text: string): Parsed<Duration.Duration> => {
  if (text === "none") return Result.succeed(Duration.infinity)
  const spelled = text.replace(/^([\d.]+)(ms|s|m|h|d)$/, (_, count: string, unit: string) => `${count} ${units[unit]}`)
  return Duration.fromInput(spelled as Duration.Input).pipe(
    Option.filter((duration) => Duration.isFinite(duration) && Duration.isGreaterThan(duration, Duration.zero)),
    Result.fromOption(() => "is not a duration such as 500ms, 30s, 5m or 1h; none is no limit")
  )
}

/** `10MiB`, `500kB`, `1048576`; `none` is no limit. */
export const bytes = (text: string): Parsed<number> =>
  text === "none"
    ? Result.succeed(Infinity)
    : ByteSize.fromString(/^\d+$/.test(text) ? `${text} B` : text).pipe(
        Option.flatMap(ByteSize.toNumber),
        Result.fromOption(() => "is not a size such as 500kB, 10MiB or 1048576; none is no limit")
      )

/** `1.5 s`, `2m 3s`. */
export const formatDuration = (duration: Duration.Duration): string =>
  Duration.isLessThan(duration, Duration.minutes(1))
    ? `${Number(Duration.toSeconds(duration).toFixed(1))} s`
    : Duration.format(duration)

/** `10 MiB`, `1.5 KiB`. */
export const formatBytes = (bytes: number): string => ByteSize.format(ByteSize.bytes(bytes), { precision: 1 })
