/** What is changed of what goes into the program. */
import type { ChunkingContext, Plugin } from "rolldown"

// A place that moved has to be found again, rather than be left as it was.
const replace = (name: string, id: RegExp, from: string | RegExp, to: string): Plugin => ({
  name,
  transform: {
    filter: { id },
    handler(code) {
      const changed = code.replace(from, to)
      if (changed === code) this.error(`${name}: not found: ${from}`)
      return changed
    }
  }
})

/** Of all that is loaded the line that takes longest, 10 ms; and help alone is laid out with what it makes. */
export const lazySegmenter = replace(
  "lazy-segmenter",
  /effect\/dist\/cli\/CliOutput\.js$/,
  /const graphemeSegmenter = ([^;]*new Intl\.Segmenter[^;]*);(.*)graphemeSegmenter\.segment/s,
  "let segmenter\nconst graphemeSegmenter = () => (segmenter ??= $1);$2graphemeSegmenter().segment"
)

/** The agents' programs are this package's own, so that it needs no other to be installed with it. */
export const ownAgents = replace(
  "own-agents",
  /packages\/(local|docker)\/src\/internal\/(agentBackend|program)\.ts$/,
  "@effect-exec/agent/bin/",
  "@effect-exec/cli/agents/"
)

const unused = /^(@grpc\/grpc-js|@grpc\/proto-loader|protobufjs|ssh2|tar-fs|@balena\/dockerignore)$/

/** Without what dockerode builds images with, and reaches engines over SSH: that is not done here, and takes 0.2 s to load. */
export const withoutUnused: Plugin = {
  name: "without-unused",
  resolveId: { filter: { id: unused }, handler: () => "\0unused" },
  load: { filter: { id: /^\0unused$/ }, handler: () => "export default {}" }
}

/** The chunk of all modules that a first one cannot do without. */
export const always = (first: string) => {
  const needed = new Set<string>()
  const add = (id: string, context: ChunkingContext): void => {
    if (needed.has(id)) return
    needed.add(id)
    for (const imported of context.getModuleInfo(id)?.importedIds ?? []) add(imported, context)
  }
  return (id: string, context: ChunkingContext): string | null => {
    add(first, context)
    return needed.has(id) ? "main" : null
  }
}
