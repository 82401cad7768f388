/**
 * A purchase, an operation and a balance through the typed client, against the service that `npm start` brought up.
 * Run it with `npm run example`. An app would take address and token from its own configuration.
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { makeCreditClient } from "@credit/client"

const file = join(process.env.CREDIT_HOME ?? ".credit", "embedded.json")
if (!existsSync(file)) {
  console.error(`There is no ${file}: start the service with "npm start" first`)
  process.exit(1)
}
const { merchants, serviceUrl }: { merchants: { demo: { tokens: { app: string } } }; serviceUrl: string } = JSON.parse(
  readFileSync(file, "utf8")
)

const credits = makeCreditClient({ baseUrl: serviceUrl, token: merchants.demo.tokens.app })

// A payment that the app has settled with its provider becomes credits. Sent again, it has no second effect.
const now = new Date().toISOString()
const { lot, receipt } = await credits.purchase.settled({
  userId: "ann",
  productCode: "starter",
  settlementData: {
    externalRef: `payment-${Date.now()}`,
    orderPlacedAt: now,
    settledAt: now,
    paymentMethod: "card",
    pricingSnapshot: { country: "DE", currency: "USD", amount: "9.99" }
  }
})
console.log(`bought   ${lot.creditsTotal} credits until ${lot.expiresAt}, receipt ${receipt.receiptNumber}`)

// Work is metered as an operation: the estimate is held while it runs, what it used is debited when it ends.
const { operation, userBalance, value } = await credits.withOperation(
  { userId: "ann", operationTypeCode: "llm_tokens", estimatedAmount: "2" },
  async () => ({ value: "the answer of a model", resourceAmount: "1.834" })
)
console.log(`worked   ${value}: ${operation.resourceAmount} ${operation.resourceUnit}, ${operation.finalCost} credits`)
console.log(`balance  ${userBalance.balance} credits, ${userBalance.available} available`)

await credits.close()
