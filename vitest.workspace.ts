/**
 * The list of test projects. A project is one folder of tests; `only` what needs PostgreSQL starts one.
 */
export const projects = [
  { name: "domain", root: "packages/domain" },
  { name: "rpc", root: "packages/rpc" },
  { name: "client", root: "packages/client" },
  { name: "server", root: "apps/server" },
  { name: "suites", root: "test" }
] as const
