// Names of connectors, which stand in commands and addresses.

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

export function isName(text: string): boolean {
  return NAME.test(text);
}

/** "Acme Orders!" as "acme-orders". */
export function nameOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^[^a-z]+|-+$/g, "");
}
