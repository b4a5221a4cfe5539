// Every word of the forms for settings: another language is another such object.

import { count } from "../../../parts/format";

export const words = {
  doNotFit: "These settings do not fit",
  optional: (number: number, changed: number) =>
    `Optional settings (${count(number)}${changed > 0 ? `, ${count(changed)} changed` : ""})`,
  chooseOne: "Choose one",
  option: (number: number) => `Option ${number}`,
  value: "Value",
  add: "Add",
  remove: (title: string, number: number) => `Remove ${title} ${number}`,
  secretKept: "Saved; never shown again",
  secretChange: "Change",
  writeOne: "Write one and press Enter",
  noChoice: "This is not among the choices.",
  noJson: "This is not JSON yet.",
  emptyBox: "Empty the box",
  problems: {
    needed: "This is needed.",
    text: "This must be text.",
    like: (example: string) => `Write it like ${example}.`,
    match: (pattern: string) => `This must match ${pattern}`,
    longer: (least: number) => `At least ${count(least)} characters are needed.`,
    shorter: (most: number) => `At most ${count(most)} characters are allowed.`,
    number: "This must be a number.",
    whole: "This must be a whole number.",
    least: (least: number) => `This must be ${least} or more.`,
    most: (most: number) => `This must be ${most} or less.`,
    yesOrNo: "This must be yes or no.",
    list: "This must be a list.",
    more: (least: number) => `At least ${count(least)} are needed.`,
    fewer: (most: number) => `At most ${count(most)} are allowed.`,
    group: "This must be a group of values.",
    choose: "Choose one.",
  },
};
