/**
 * A server of `serverHost.ts`, as those who measure it see it.
 */
import { fork } from "node:child_process"
import { join } from "node:path"
import type { Held } from "./held.ts"
import type { Answer, Question } from "./serverHost.ts"

export class Served {
  readonly url: string
  readonly pid: number
  private readonly ask: (question: Question) => Promise<Answer>
  private readonly kill: () => void

  private constructor(url: string, pid: number, ask: (question: Question) => Promise<Answer>, kill: () => void) {
    this.url = url
    this.pid = pid
    this.ask = ask
    this.kill = kill
  }

  static async start(...args: ReadonlyArray<string>): Promise<Served> {
    const child = fork(join(import.meta.dirname, "serverHost.ts"), args)
    const next = () =>
      new Promise<Answer>((resolve, reject) => {
        const ended = (code: number | null) => reject(new Error(`the server ended with ${String(code)}`))
        child.once("exit", ended)
        child.once("message", (answer: Answer) => {
          child.off("exit", ended)
          resolve(answer)
        })
      })
    const first = await next()
    if (!("url" in first)) throw new Error("it did not say where it serves")
    const ask = (question: Question) => {
      const answer = next()
      child.send(question)
      return answer
    }
    return new Served(first.url, child.pid!, ask, () => child.kill("SIGKILL"))
  }

  /** What it holds now, and how many clients it has. */
  async look(): Promise<{ readonly held: Held; readonly sessions: number }> {
    const answer = await this.ask("look")
    if (!("held" in answer)) throw new Error("it did not say what it holds")
    return answer
  }

  /** Ends it, and gives what it held when all was over. */
  async stop(): Promise<Held> {
    const answer = await this.ask("stop")
    if (!("stopped" in answer)) throw new Error("it did not stop")
    return answer.stopped
  }

  /** Ends it the hard way. */
  cut(): void {
    this.kill()
  }
}
