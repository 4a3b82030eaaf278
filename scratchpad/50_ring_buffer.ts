/** The ring buffer by itself: the last bytes of two streams, a scoped resource. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { RingBuffer } from "effect-exec"

const bytes = (text: string) => new TextEncoder().encode(text)
const show = (item: RingBuffer.Chunk | RingBuffer.Gap) =>
  item._tag === "Gap"
    ? `bytes ${item.from} to ${item.to} are gone`
    : `${item.fd === 1 ? "stdout" : "stderr"} from ${item.offset}: ${new TextDecoder().decode(item.bytes)}`

const program = Effect.gen(function* () {
  const ring = yield* RingBuffer.make({ capacity: 12 })
  yield* ring.append(1, bytes("hello "))
  yield* ring.append(2, bytes("oops "))
  yield* ring.append(1, bytes("world"))
  yield* Console.log("held", yield* ring.size, "of", yield* ring.endOffset, "- evicted", yield* ring.evicted)

  // Any number of readers, each at its own offset: replay, then live, then the end. What is gone is said.
  yield* ring.end
  yield* Stream.runForEach(ring.from(0), (item) => Console.log("from 0:", show(item)))
  yield* Stream.runForEach(ring.from(11), (item) => Console.log("from 11:", show(item)))
})

// Closing the scope ends every reader and frees the memory.
NodeRuntime.runMain(Effect.scoped(program))

/* prints
held 12 of 16 - evicted 4
from 0: bytes 0 to 4 are gone
from 0: stdout from 4: o 
from 0: stderr from 6: oops 
from 0: stdout from 11: world
from 11: stdout from 11: world
*/
