// The page around every page.
import type { ReactNode } from 'react';

export const metadata = { title: 'An app with a route of its own', icons: 'data:,' };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
