import { defineConfig } from "vitest/config"

/** One lane per package: `pnpm test --project exec` runs one. */
const lane = (name: string, options?: { readonly testTimeout?: number; readonly globalSetup?: Array<string> }) => ({
  extends: true as const,
  test: { name, root: `packages/${name}`, include: ["test/**/*.test.ts"], ...options }
})

export default defineConfig({
  test: {
    // Most tests wait for processes. Vitest's own choice, one processor less than there are, would leave half of two idle.
    maxWorkers: "100%",
    // Processes, engines and terminals share two cores there with whatever else runs: what fails is run once more, and the
    // report says so. Here it fails at once.
    retry: (process.env["CI"] ?? "") === "" ? 0 : 1,
    projects: [
      lane("exec"),
      lane("agent", { testTimeout: 30_000 }),
      lane("testing", { testTimeout: 30_000 }),
      lane("local", { testTimeout: 30_000 }),
      lane("docker", { testTimeout: 60_000 }),
      lane("capsule", { testTimeout: 30_000 }),
      lane("server", { testTimeout: 60_000 }),
      lane("cli", { testTimeout: 60_000, globalSetup: ["test/build.ts"] }),
      { extends: true, test: { name: "examples", root: "scratchpad", include: ["*.test.ts"], testTimeout: 60_000 } }
    ]
  }
})
