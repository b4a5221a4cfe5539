// A file that the page itself has made, handed to whoever looks at it.

export function download(name: string, text: string, type: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The browser has begun by then; the text does not stay in memory.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
