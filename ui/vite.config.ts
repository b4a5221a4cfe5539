import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// In development the pages come from Vite and everything else from `penstock up`.
const server = process.env.PENSTOCK_SERVER ?? "http://127.0.0.1:8787";

export default defineConfig({
  plugins: [react()],
  base: "/",
  build: {
    outDir: "../src/penstock/server/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": { target: server, changeOrigin: true } } },
  test: { environment: "happy-dom", setupFiles: ["src/test-setup.ts"], restoreMocks: true },
});
