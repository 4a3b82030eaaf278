/**
 * A process of its own for one or more sides, so that the garbage and the memory of the others are not theirs. Does
 * what it is told over Node's channel, and in between nothing at all.
 */
import type { Driver } from "./driver.ts"
import { fillHeap } from "./memory.ts"
import * as Subjects from "./subjects.ts"
import { type Figures, type Params, type TaskName, tasks } from "./tasks.ts"

/** What a side is asked. */
export interface Question {
  readonly id: number
  readonly subject: string
  readonly task: TaskName
  readonly params: Params
}

/** What it answers. */
export interface Answer {
  readonly id: number
  readonly figures?: Figures
  readonly error?: string
}

const heap = fillHeap(Number(process.env["BENCH_HEAP"] ?? 0))

const drivers = new Map<string, Promise<Driver>>()

const answer = async ({ params, subject, task }: Question): Promise<Figures> => {
  let driver = drivers.get(subject)
  if (driver === undefined) {
    driver = Subjects.open(subject)
    drivers.set(subject, driver)
  }
  return tasks[task](await driver, params)
}

process.on("message", (question: Question) => {
  answer(question).then(
    (figures) => process.send!({ id: question.id, figures } satisfies Answer),
    (cause: unknown) => process.send!({ id: question.id, error: String(cause) } satisfies Answer)
  )
})

process.once("disconnect", () => {
  // Named here so that the heap is used, and so kept, to the end.
  void heap.length
  void Promise.all(Array.from(drivers.values(), async (driver) => (await driver).close()))
})

process.send!({ id: 0, figures: { heapUsed: process.memoryUsage().heapUsed } } satisfies Answer)
