import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { projects } from "./vitest.workspace.ts"

const root = fileURLToPath(new URL(".", import.meta.url))

/** Workspace packages resolve to their sources, so that tests need no build. */
const conditions = ["source", "node", "import", "module", "default"]

export default defineConfig({
  test: {
    projects: projects.map(({ folder, isolate, name, postgres, setup }) => ({
      resolve: { conditions },
      ssr: { resolve: { conditions } },
      // What a project runs once around its tests has an environment of its own.
      environments: { __vitest__: { resolve: { conditions } } },
      test: {
        name,
        root,
        include: [`${folder}/**/*.test.ts`],
        environment: "node",
        isolate,
        // Races run as races and crashes as crashes; nothing here may need longer on a loaded machine.
        testTimeout: 60_000,
        hookTimeout: 120_000,
        ...(postgres ? { globalSetup: ["test/utils/global-setup.ts", ...(setup === undefined ? [] : [setup])] } : {})
      }
    }))
  }
})
