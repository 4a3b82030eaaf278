/**
 * The commands that the conformance suite runs: small programs whose behaviour a test can rely on.
 *
 * Every one that a test has to wait for announces itself (`READY`, `PID n`), so that tests wait for facts and never for
 * time. None of them lives longer than five minutes, so that a failing test leaves nothing behind for good.
 *
 * `ShFixtures` has them for anything with a POSIX shell, `MemoryFixtures` for `TestExec`. For another kind of sandbox,
 * write the programs named in `Name` and give them to `make`.
 */
import type { Command } from "effect-exec/Command"
import { toOctal } from "./internal/bytes.ts"

/**
 * The programs, with their arguments.
 *
 * - `echo ARG…`: every argument followed by a NUL.
 * - `env NAME`: the variable's value as it is; exit 1 without one.
 * - `pwd`, `whoami`: one line.
 * - `cat`: stdin to stdout. `sha256`: 64 hexadecimal digits of what stdin had.
 * - `write FD OCTAL`: just these bytes, each `\0` and three octal digits.
 * - `numbers COUNT 1|2|both`: the lines 1 to COUNT; `both` writes 500 to stdout, then 500 to stderr, and so on.
 * - `random BYTES FD`: random bytes on that stream, then their SHA-256 on the other one.
 * - `flood FD`: the line `y`, without end.
 * - `exit CODE`. `killSelf NAME`: ends itself by that signal (`TERM`).
 * - `hang`: `READY`, then waits. `ignoreTerm`: the same, and TERM does nothing.
 * - `graceful CODE`: `READY`; at TERM the line `TERM` and that exit code.
 * - `signals NAME…`: `READY`; at each of these signals `GOT NAME`.
 * - `tree KIND waits|exits`: see `TreeKind`; every member announces `PID n`. The leader waits, or prints `hi` and exits.
 * - `late`: exits after `early`, while a child of it prints `late` a second later.
 * - `deaf CODE`: exits at once with that code, without reading stdin.
 * - `closeStdin`: closes stdin, then `READY`, then waits.
 * - `closeOutput CODE`: `READY`, closes both outputs; at the end of stdin it exits with that code.
 * - `storm`: `READY`, while its descendants fork and exit, forever at another pid; all hold the output open. It has to
 *   end by itself in the end, so that a failing test does not melt the machine.
 * - `puppet`: does what the lines of stdin say: `out OCTAL`, `err OCTAL`, `exit CODE`.
 * - `terminal`: `tty` or `no tty`, then `ROWS COLUMNS`, then `READY`; at SIGWINCH `ROWS COLUMNS` again.
 * - `alive PID…`: those of the pids that live, one a line; a zombie does not live.
 * - `kill PID…`: kills them.
 * - `survivors NAME=VALUE`: the pids of all processes that have this in their environment, one a line.
 */
export type Name =
  | "echo"
  | "env"
  | "pwd"
  | "whoami"
  | "cat"
  | "sha256"
  | "write"
  | "numbers"
  | "random"
  | "flood"
  | "exit"
  | "killSelf"
  | "hang"
  | "ignoreTerm"
  | "graceful"
  | "signals"
  | "tree"
  | "late"
  | "deaf"
  | "closeStdin"
  | "closeOutput"
  | "storm"
  | "puppet"
  | "terminal"
  | "alive"
  | "kill"
  | "survivors"

/**
 * Families of processes; all of them hold the output open.
 *
 * - `children`: the leader, its child and its grandchild.
 * - `stubborn`: the same, where the child and the grandchild ignore TERM.
 * - `background`: the leader and a grandchild whose parent has ended.
 * - `session`: the leader and a child in a session of its own.
 * - `orphan`: the leader and a grandchild whose parent has ended, in a session of its own.
 * - `envless`: the same, and with an empty environment.
 * - `escaped`: the leader and a process that this backend can never end; only where there is such a thing.
 */
export type TreeKind = "children" | "stubborn" | "background" | "session" | "orphan" | "envless" | "escaped"

/** How many processes a family has, its leader included. */
export const members: Readonly<Record<TreeKind, number>> = {
  children: 3,
  stubborn: 3,
  background: 2,
  session: 2,
  orphan: 2,
  envless: 2,
  escaped: 2
}

/** What the sandbox is like. */
export interface Facts {
  /** A directory, as an absolute path without symbolic links, which is not where commands start. */
  readonly directory: string
  /** A path that does not exist. */
  readonly missingDirectory: string
  /** Something that exists and may not be executed. */
  readonly notExecutable: string
  /** A user other than the one whom commands run as. */
  readonly user: string
  /** Whether there is a `/bin/sh` with `cat` and `wc`, and a `python3`. */
  readonly shell: boolean
  readonly python: boolean
  /** Whether `tree escaped` exists. */
  readonly escapes: boolean
}

/** One of the two outputs. */
export type Fd = 1 | 2

/** The commands of the suite. */
export interface Fixtures extends Facts {
  readonly echo: (args: ReadonlyArray<string>) => Command
  readonly env: (name: string) => Command
  readonly pwd: Command
  readonly whoami: Command
  readonly cat: Command
  readonly sha256: Command
  readonly write: (bytes: Uint8Array, fd?: Fd) => Command
  readonly numbers: (count: number, to?: Fd | "both") => Command
  readonly random: (bytes: number, fd: Fd) => Command
  readonly flood: (fd?: Fd) => Command
  readonly exit: (code: number) => Command
  readonly killSelf: (signal: string) => Command
  readonly hang: Command
  readonly ignoreTerm: Command
  readonly graceful: (code: number) => Command
  readonly signals: (names: ReadonlyArray<string>) => Command
  readonly tree: (kind: TreeKind, leader?: "waits" | "exits") => Command
  readonly late: Command
  readonly deaf: (code: number) => Command
  readonly closeStdin: Command
  readonly closeOutput: (code: number) => Command
  readonly storm: Command
  readonly puppet: Command
  readonly terminal: Command
  readonly alive: (pids: ReadonlyArray<number>) => Command
  readonly kill: (pids: ReadonlyArray<number>) => Command
  readonly survivors: (mark: string) => Command
}

/** The fixtures, from a function that says how one of the programs is called. */
export const make = (call: (program: Name, args: ReadonlyArray<string>) => Command, facts: Facts): Fixtures => {
  const command = (program: Name, ...args: ReadonlyArray<string | number>) => call(program, args.map(String))
  return {
    ...facts,
    echo: (args) => command("echo", ...args),
    env: (name) => command("env", name),
    pwd: command("pwd"),
    whoami: command("whoami"),
    cat: command("cat"),
    sha256: command("sha256"),
    write: (bytes, fd = 1) => command("write", fd, toOctal(bytes)),
    numbers: (count, to = 1) => command("numbers", count, to),
    random: (bytes, fd) => command("random", bytes, fd),
    flood: (fd = 1) => command("flood", fd),
    exit: (code) => command("exit", code),
    killSelf: (signal) => command("killSelf", signal),
    hang: command("hang"),
    ignoreTerm: command("ignoreTerm"),
    graceful: (code) => command("graceful", code),
    signals: (names) => command("signals", ...names),
    tree: (kind, leader = "waits") => command("tree", kind, leader),
    late: command("late"),
    deaf: (code) => command("deaf", code),
    closeStdin: command("closeStdin"),
    closeOutput: (code) => command("closeOutput", code),
    storm: command("storm"),
    puppet: command("puppet"),
    terminal: command("terminal"),
    alive: (pids) => command("alive", ...pids),
    kill: (pids) => command("kill", ...pids),
    survivors: (mark) => command("survivors", mark)
  }
}

const asking: ReadonlySet<string> = new Set(["alive", "kill", "survivors"])

/** The same commands with more in their environment; not those that only ask about others. */
export const withEnv = (fixtures: Fixtures, env: Readonly<Record<string, string>>): Fixtures => {
  const add = (command: Command): Command => ({ ...command, env: { ...command.env, ...env } })
  return Object.fromEntries(
    Object.entries(fixtures).map(([name, value]) => [
      name,
      asking.has(name) || typeof value === "string" || typeof value === "boolean"
        ? value
        : typeof value === "function"
          ? (...args: ReadonlyArray<never>) => add((value as (...args: ReadonlyArray<never>) => Command)(...args))
          : add(value as Command)
    ])
  ) as unknown as Fixtures
}
