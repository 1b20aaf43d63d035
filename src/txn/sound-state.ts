/** What can be said of a message whose file name, date or record says what no transaction could. */
import { MailtwinError } from "../base/errors.js";
import { isKeywordName } from "../maildir/keywords.js";
import type { MessageState } from "./message-state.js";
import { checkMessageState } from "./transaction-rules.js";

/** Of it what a transaction can say; undefined for what none can name at all. */
export function soundState(state: MessageState): MessageState | undefined {
  const plain = { ...state, keywords: state.keywords.filter(isKeywordName), odd: "", tail: "", fields: "" };
  for (const each of [state, plain, { ...plain, keywords: [], mtimeS: 0 }]) {
    try {
      checkMessageState(each);
      return each;
    } catch (error) {
      if (!(error instanceof MailtwinError)) throw error;
    }
  }
  return undefined;
}
