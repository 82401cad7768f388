/** What does not agree; of nobody where `userId` is missing. */
export interface Problem {
  readonly userId?: string
  readonly problem: string
}

/** The place of a receipt in its year. */
export interface ReceiptPlace {
  readonly year: number
  readonly number: number
}

/** A receipt, and the number of its purchase's receipt; `null` where there is no such purchase. */
export interface ReceiptRow extends ReceiptPlace {
  readonly receiptNumber: string
  readonly externalRef: string
  readonly userId: string
  readonly ofPurchase: string | null
}

/** A purchase, and the one that the receipt it names is of; `null` where there is no such receipt. */
export interface PurchaseRow {
  readonly externalRef: string
  readonly userId: string
  readonly receiptNumber: string
  readonly ofReceipt: string | null
}

/**
 * What is wrong with receipts in the order of their numbers, the first of which follows `before`. `counter`: the last number
 * that was given, where these are the last receipts.
 */
export const receiptProblems = (
  before: ReceiptPlace,
  receipts: ReadonlyArray<ReceiptRow>,
  counter: ReceiptPlace | undefined
): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  let last = before
  for (const receipt of receipts) {
    const { externalRef, ofPurchase, receiptNumber, userId } = receipt
    const due = receipt.year === last.year ? last.number + 1 : 1
    if (receipt.number !== due) {
      problems.push({
        userId,
        problem: `receipt ${receiptNumber} is there, and number ${due} of ${receipt.year} is not`
      })
    }
    if (ofPurchase !== receiptNumber) {
      problems.push({
        userId,
        problem: `receipt ${receiptNumber} is of purchase ${externalRef}, ${ofPurchase === null ? "which is not there" : `which has ${ofPurchase}`}`
      })
    }
    last = receipt
  }
  if (counter !== undefined && !(counter.number === last.number && (counter.year === last.year || last.number === 0))) {
    const there =
      last.number === 0 ? "there is no receipt" : `the last receipt is number ${last.number} of ${last.year}`
    problems.push({ problem: `${there}, and the last number given is ${counter.number} of ${counter.year}` })
  }
  return problems
}

/** What is wrong with a purchase. */
export const purchaseProblems = ({
  externalRef,
  ofReceipt,
  receiptNumber,
  userId
}: PurchaseRow): ReadonlyArray<Problem> =>
  ofReceipt === externalRef
    ? []
    : [
        {
          userId,
          problem: `purchase ${externalRef} has receipt ${receiptNumber}, ${ofReceipt === null ? "which is not there" : `which is of ${ofReceipt}`}`
        }
      ]
