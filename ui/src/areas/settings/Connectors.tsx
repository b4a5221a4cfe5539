export default function Connectors() {
  return null;
}
