import { join, relative } from "node:path"
import type { EmbeddedAccess } from "./EmbeddedFile.ts"

/** What a person sees when the embedded service is up: where it is, how to get in, what to try. */
export const welcome = ({ merchants, operatorToken, serviceUrl }: EmbeddedAccess, home: string): string => {
  const file = join(home, "embedded.json")
  const near = relative(process.cwd(), file)
  const lines = [
    "",
    `  Credit Management Service   ${serviceUrl}`,
    "",
    ...Object.entries(merchants).flatMap(([merchantId, { tokens }]) => [
      `  ${merchantId}${merchantId === "demo" ? " (sandbox)" : ""}`,
      `    app    ${tokens.app}`,
      `    admin  ${tokens.admin}`
    ]),
    "  operator",
    `           ${operatorToken}`,
    "",
    `  All of this is in ${near.startsWith("..") ? file : near}. Try, in another terminal:`,
    "",
    "    npm run example            a purchase and an operation through the typed client",
    "    npx credit-cli --help      what an operator can do; needs no configuration beside this service",
    "    npm run replay -- FILE     a day of LLM requests, metered",
    "",
    `    curl -s ${serviceUrl}/rpc -H "Authorization: Bearer $TOKEN" \\`,
    `      -d '{"tag":"GetUserBalance","payload":{"userId":"ann"}}'`,
    ""
  ]
  return `${lines.join("\n")}\n`
}
