// Descriptions of connectors: the little HTML and Markdown they use, never their scripts.

import { Anchor, Code } from "@mantine/core";
import { memo, useMemo, type ReactNode } from "react";

export const RichText = memo(function RichText({ text }: { text: string }) {
  return useMemo(() => {
    if (!/[<[`&*]/.test(text)) return text;
    const html = text
      .replaceAll(/\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g, '<a href="$2">$1</a>')
      .replaceAll(/`([^`]+)`/g, "<code>$1</code>")
      .replaceAll(/\*\*([^*]+)\*\*/g, "<b>$1</b>");
    // A parsed document runs no script and loads nothing; only its text is taken over.
    const parsed = new DOMParser().parseFromString(html, "text/html");
    return <>{[...parsed.body.childNodes].map(drawn)}</>;
  }, [text]);
});

function drawn(node: Node, index: number): ReactNode {
  if (node.nodeType === Node.TEXT_NODE) return node.textContent;
  if (!(node instanceof Element)) return null;
  const inner = [...node.childNodes].map(drawn);
  switch (node.tagName.toLowerCase()) {
    case "script":
    case "style":
      return null;
    case "a": {
      const address = node.getAttribute("href") ?? "";
      if (!/^https?:\/\//.test(address)) return <span key={index}>{inner}</span>;
      return (
        <Anchor
          key={index}
          href={address}
          target="_blank"
          rel="noreferrer"
          inherit
          underline="always"
        >
          {inner}
        </Anchor>
      );
    }
    case "b":
    case "strong":
      return <strong key={index}>{inner}</strong>;
    case "i":
    case "em":
      return <em key={index}>{inner}</em>;
    case "code":
      return <Code key={index}>{inner}</Code>;
    case "br":
      return <br key={index} />;
    case "ul":
      return <ul key={index}>{inner}</ul>;
    case "li":
      return <li key={index}>{inner}</li>;
    case "p":
      return (
        <span key={index}>
          {inner}
          <br />
        </span>
      );
    default:
      return <span key={index}>{inner}</span>;
  }
}
