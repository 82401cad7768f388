/** What one project of tests needs around it. */
interface Project {
  readonly name: string
  /** The folder its tests are in. */
  readonly folder: string
  /** Whether it runs against a real PostgreSQL, which is then started once for the whole run. */
  readonly postgres: boolean
}

/** The test projects: pure rules first, then what needs a database, then the suites across packages. */
export const projects: ReadonlyArray<Project> = [
  { name: "domain", folder: "packages/domain/test", postgres: false },
  { name: "rpc", folder: "packages/rpc/test", postgres: false },
  { name: "client", folder: "packages/client/test", postgres: false },
  { name: "server", folder: "apps/server/test", postgres: true },
  { name: "suites", folder: "test", postgres: true }
]
