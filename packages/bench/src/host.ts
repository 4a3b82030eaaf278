/**
 * Starts sides and asks them, one at a time: while one measures, the others wait.
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Answer, Question } from "./side.ts"
import type { Figures } from "./tasks.ts"

const program = fileURLToPath(new URL("side.ts", import.meta.url))

/** A process that measures. */
export class Side {
  private readonly child: ChildProcess
  private readonly waiting = new Map<number, (answer: Answer) => void>()
  private lastId = 0

  private constructor(child: ChildProcess) {
    this.child = child
    child.on("message", (answer: Answer) => {
      this.waiting.get(answer.id)?.(answer)
      this.waiting.delete(answer.id)
    })
    child.once("exit", (code) => {
      for (const answer of this.waiting.values()) answer({ id: 0, error: `the side ended with ${code}` })
    })
  }

  /** Starts one; with this many mebibytes of heap in it. */
  static async start(heap = 0): Promise<Side> {
    const child = fork(program, {
      execArgv: heap > 0 ? [`--max-old-space-size=${heap * 2 + 1024}`] : [],
      env: { ...process.env, BENCH_HEAP: String(heap) }
    })
    const side = new Side(child)
    await side.answer(0)
    return side
  }

  async ask(question: Omit<Question, "id">): Promise<Figures> {
    const id = ++this.lastId
    const answered = this.answer(id)
    this.child.send({ ...question, id } satisfies Question)
    return answered
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.child.once("exit", resolve))
    this.child.disconnect()
    await exited
  }

  private answer(id: number): Promise<Figures> {
    return new Promise((resolve, reject) => {
      this.waiting.set(id, ({ error, figures }) =>
        figures === undefined ? reject(new Error(error)) : resolve(figures)
      )
    })
  }
}
