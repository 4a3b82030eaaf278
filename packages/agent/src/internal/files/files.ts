/**
 * The file operations of an agent as those of a backend.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { FileError, type Files, type WriteOptions } from "effect-exec/Files"
import type { Encoder } from "../encoder.ts"
import { fileOps } from "../protocol.ts"
import type { Base } from "../spawn.ts"
import type { Calls } from "./calls.ts"
import { copyTree } from "./copyTree.ts"
import * as decode from "./decode.ts"
import type { Failing } from "./operation.ts"

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const toTheEnd = 2n ** 64n - 1n
const nowhere = 2n ** 64n - 1n

const flag = (value: boolean, bit: number): number => (value ? bit : 0)

const writeFlags = ({ create, to }: WriteOptions): number =>
  flag(create !== "never", 1) | flag(create === "always", 2) | flag(to === "end", 4) | flag(to === "truncated", 8)

const i64 = (value: bigint): bigint => BigInt.asUintN(64, value)

// `-1` leaves a user or group as it is.
const id = (value: number): number => value >>> 0

/** File operations by an agent, from where its commands start. */
export const make = (calls: Calls, { cwd, env }: Base): Files => {
  // An operation starts where the agent is; commands may start elsewhere.
  const from = (path: string): string => {
    const start = path.startsWith("/") ? "" : cwd(undefined)
    return start === "" ? path : `${start}/${path}`
  }
  const ask = (op: number, path: string, fields: (to: Encoder) => void = () => {}): Failing<Uint8Array> =>
    calls.ask(op, (to) => {
      to.text(from(path))
      fields(to)
    })
  const done = (...args: Parameters<typeof ask>): Failing<void> => Effect.asVoid(ask(...args))
  const text = (op: number, path: string): Failing<string> => Effect.map(ask(op, path), decode.text)
  const stat = (path: string, follow: boolean) =>
    Effect.map(
      ask(fileOps.stat, path, (to) => to.u8(flag(!follow, 1))),
      decode.stat
    )

  const single: Omit<Files, "copy"> = {
    read: (path, { length = toTheEnd, offset }) =>
      calls.read(fileOps.read, (to) => {
        to.text(from(path))
        to.u64(offset)
        to.u64(length)
      }),
    write: (path, options) =>
      calls.write(fileOps.write, (to) => {
        to.text(from(path))
        to.u8(writeFlags(options))
        to.u32(options.mode)
        to.u64(nowhere)
      }),
    list: (path, recursive) =>
      Effect.map(
        Stream.runCollect(
          calls.read(fileOps.list, (to) => {
            to.text(from(path))
            to.u8(flag(recursive, 1))
          })
        ),
        (chunks) => decode.entries(concat(chunks))
      ),
    stat: (path, follow) => Effect.map(stat(path, follow), ({ info }) => info),
    access: (path, readable, writable) =>
      done(fileOps.access, path, (to) => to.u8(flag(readable, 4) | flag(writable, 2))),
    makeDirectory: (path, mode, recursive) =>
      done(fileOps.mkdir, path, (to) => {
        to.u32(mode)
        to.u8(flag(recursive, 1))
      }),
    makeTempDirectory: (directory, name) => {
      const path = `${(directory ?? env["TMPDIR"] ?? "/tmp").replace(/\/$/, "")}/${name}`
      return Effect.as(single.makeDirectory(path, 0o700, false), path)
    },
    remove: (path, recursive, force) => done(fileOps.remove, path, (to) => to.u8(flag(recursive, 1) | flag(force, 2))),
    rename: (source, target) => done(fileOps.rename, source, (to) => to.text(from(target))),
    copyFile: (source, target) =>
      done(fileOps.copy, source, (to) => {
        to.text(from(target))
        to.u8(0)
      }).pipe(
        // Onto itself: there is nothing to do, which is also what the other ways to copy a file say.
        Effect.catchIf(
          (error) => error instanceof FileError && error.code === "EINVAL",
          (error) =>
            Effect.flatMap(Effect.all([stat(source, true), stat(target, true)]), ([one, other]) =>
              one.info.dev === other.info.dev && String(one.info.ino) === String(other.info.ino)
                ? Effect.void
                : Effect.fail(error)
            )
        )
      ),
    symlink: (target, path) =>
      Effect.asVoid(
        calls.ask(fileOps.symlink, (to) => {
          to.text(target)
          to.text(from(path))
        })
      ),
    link: (existing, path) => done(fileOps.link, existing, (to) => to.text(from(path))),
    readLink: (path) => text(fileOps.readLink, path),
    realPath: (path) => text(fileOps.realPath, path),
    chmod: (path, mode) => done(fileOps.chmod, path, (to) => to.u32(mode)),
    chown: (path, uid, gid) =>
      done(fileOps.chown, path, (to) => {
        to.u32(id(uid))
        to.u32(id(gid))
        to.u8(0)
      }),
    utimes: (path, atime, mtime) =>
      done(fileOps.utimes, path, (to) => {
        to.u64(i64(atime))
        to.u64(i64(mtime))
      }),
    truncate: (path, length) => done(fileOps.truncate, path, (to) => to.u64(length))
  }
  return { ...single, copy: copyTree({ ...single, statOf: (path) => stat(path, false) }) }
}
