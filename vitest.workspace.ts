import { defineConfig } from "vitest/config"

/** One lane per package: `vitest --project exec` runs one. */
const lane = (name: string, options?: { readonly testTimeout?: number }) => ({
  extends: true as const,
  test: { name, root: `packages/${name}`, include: ["test/**/*.test.ts"], ...options }
})

export default defineConfig({
  test: {
    projects: [lane("exec"), lane("testing"), lane("local", { testTimeout: 30_000 })]
  }
})
