// The look, for a phone and for a browser.
import { StyleSheet } from 'react-native';

export const styles = StyleSheet.create({
  page: { flex: 1, backgroundColor: '#f5f5fa' },
  content: { width: '100%', maxWidth: 544, marginHorizontal: 'auto', padding: 20, paddingTop: 32, gap: 16 },
  card: { gap: 12, padding: 20, backgroundColor: '#fff', borderWidth: 1, borderColor: '#e3e3ee', borderRadius: 14 },
  title: { fontSize: 28, fontWeight: '700', color: '#17171f' },
  heading: { fontSize: 17, fontWeight: '600', color: '#17171f' },
  status: { fontSize: 16, fontWeight: '600', color: '#8a5200' },
  good: { color: '#08754a' },
  text: { fontSize: 16, color: '#17171f' },
  label: { fontSize: 14, color: '#5b5b70' },
  problem: { fontSize: 15, color: '#b3202c' },
  field: { gap: 4 },
  row: { flexDirection: 'row', alignItems: 'center', gap: 10 },
  input: { fontSize: 16, color: '#17171f', padding: 10, borderWidth: 1, borderColor: '#8a8aa3', borderRadius: 10 },
  button: { alignItems: 'center', padding: 12, borderRadius: 10, backgroundColor: '#5b3df0', borderWidth: 1, borderColor: 'transparent' },
  buttonText: { fontSize: 16, fontWeight: '600', color: '#fff' },
  quiet: { backgroundColor: 'transparent', borderColor: '#e3e3ee' },
  quietText: { color: '#17171f' },
  busy: { opacity: 0.6 },
});
