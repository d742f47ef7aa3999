/** What is wrong with a run: which rule is broken, and by what. */
export interface Complaint {
  readonly rule: string;
  readonly text: string;
}
