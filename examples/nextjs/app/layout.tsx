// The page around every page.
import type { ReactNode } from 'react';
import '../../shared/page/style.css';

export const metadata = { title: 'Sign up, and chat is ready' };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <main>{children}</main>
      </body>
    </html>
  );
}
