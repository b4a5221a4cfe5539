// What the server sends instead of a secret, and takes as "leave it as it is".
export const MASK = "**********";
