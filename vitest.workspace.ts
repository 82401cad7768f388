/** What one project of tests needs around it. */
interface Project {
  readonly name: string
  /** The folder its tests are in. */
  readonly folder: string
  /** Whether it runs against a real PostgreSQL, which is then started once for the whole run. */
  readonly postgres: boolean
  /** Whether each file gets a process of its own; pure tests share theirs, and load what they import once. */
  readonly isolate: boolean
  /** What else is made once for the whole run, after PostgreSQL. */
  readonly setup?: string
}

/** The test projects: pure rules first, then what needs a database, then the suites across packages. */
export const projects: ReadonlyArray<Project> = [
  { name: "domain", folder: "packages/domain/test", postgres: false, isolate: false },
  { name: "rpc", folder: "packages/rpc/test", postgres: false, isolate: false },
  { name: "client", folder: "packages/client/test", postgres: false, isolate: true },
  { name: "server", folder: "apps/server/test", postgres: true, isolate: true },
  {
    name: "cli",
    folder: "apps/cli/test",
    postgres: true,
    isolate: true,
    setup: "apps/cli/test/support/global-setup.ts"
  },
  { name: "bench", folder: "bench/test", postgres: false, isolate: true },
  { name: "suites", folder: "test", postgres: true, isolate: true }
]
