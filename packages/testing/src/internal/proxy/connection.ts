/**
 * One connection through the proxy: a socket to either side, a link in either direction, and the ways to break it.
 */
import type { Socket } from "node:net"
import type { Random } from "effect/Random"
import type { Cut, Direction, Schedule } from "../../FaultProxy.ts"
import { type Conditions, Link } from "./link.ts"

/** One of the two directions. */
export type Way = Exclude<Direction, "both">

/** What all connections of a proxy share. */
export interface Shared {
  readonly conditions: Record<Way, Conditions>
  schedule: Schedule | undefined
  readonly random: Random
  readonly bytes: Record<Way, number>
  readonly cuts: Record<Cut, number>
}

/** A connection through the proxy. */
export class Connection {
  private readonly client: Socket
  private readonly server: Socket
  private readonly shared: Shared
  private readonly links: ReadonlyArray<Link>
  private isCut = false
  // The schedule that the next cut was drawn from.
  private schedule: Schedule | undefined
  private left = Infinity

  constructor(client: Socket, server: Socket, shared: Shared, closed: () => void) {
    this.client = client
    this.server = server
    this.shared = shared
    const link = (from: Socket, to: Socket, way: Way) =>
      new Link(
        from,
        to,
        () => shared.conditions[way],
        (bytes) => this.write(to, bytes, way)
      )
    this.links = [link(client, server, "toServer"), link(server, client, "toClient")]
    let open = 2
    for (const socket of [client, server]) {
      socket.on("close", () => {
        if (--open === 0) closed()
      })
    }
  }

  private write(to: Socket, bytes: Buffer, way: Way): boolean {
    const { random, schedule } = this.shared
    if (this.schedule !== schedule) {
      this.schedule = schedule
      this.left = schedule === undefined ? Infinity : between(random, schedule.bytes)
    }
    const part = bytes.subarray(0, this.left)
    this.left -= part.length
    this.shared.bytes[way] += part.length
    const hasRoom = to.write(part)
    if (schedule !== undefined && this.left === 0) {
      const { how = ["reset"] } = schedule
      this.cut(how[between(random, [0, how.length - 1])]!)
    }
    return hasRoom
  }

  /** The conditions changed. */
  update(): void {
    for (const link of this.links) link.pump()
  }

  /** Breaks it, once; a connection that hangs can still be reset or ended. */
  cut(how: Cut): void {
    for (const link of this.links) link.close()
    if (!this.isCut) this.shared.cuts[how]++
    this.isCut = true
    if (how === "reset") this.destroy()
    else if (how === "end") {
      for (const socket of [this.client, this.server]) {
        socket.end()
        // Closed with something unread, it would be a reset after all.
        socket.resume()
      }
    }
  }

  /** Resets both sides, without counting it. */
  destroy(): void {
    for (const link of this.links) link.close()
    for (const socket of [this.client, this.server]) socket.resetAndDestroy()
  }
}

const between = (random: Random, [min, max]: readonly [number, number]): number =>
  min + Math.floor(random.nextDoubleUnsafe() * (max - min + 1))
