// A form that is sent once, and shows its problem.
import { useState, type ReactNode } from 'react';
import { Pressable, Text, TextInput, View, type TextInputProps } from 'react-native';
import { styles } from './styles';

export type Fields = Record<string, string>;

interface Props {
  label: string;
  button: string;
  quiet?: boolean;
  fields?: ({ name: string; label: string; value?: string } & Omit<TextInputProps, 'value'>)[];
  children?: ReactNode;
  /** What went wrong, in words, or nothing. */
  send(values: Fields): Promise<string | undefined>;
}

export function Form({ label, button, quiet = false, fields = [], children, send }: Props) {
  const [values, setValues] = useState<Fields>(() => Object.fromEntries(fields.map(({ name, value = '' }) => [name, value])));
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);

  async function submit() {
    setBusy(true);
    const said = await send(values).catch(() => 'Something unexpected happened. Please try again.');
    setProblem(said ?? '');
    setBusy(false);
  }
  return (
    <View role="form" aria-label={label} style={styles.card}>
      {fields.map(({ name, label, value: _, ...input }) => (
        <View key={name} style={styles.field}>
          <Text style={styles.label}>{label}</Text>
          <TextInput
            aria-label={label}
            style={styles.input}
            value={values[name]}
            onChangeText={(value) => setValues((before) => ({ ...before, [name]: value }))}
            {...input}
          />
        </View>
      ))}
      {children}
      {problem !== '' && <Text role="alert" style={styles.problem}>{problem}</Text>}
      <Pressable role="button" disabled={busy} onPress={submit} style={[styles.button, quiet && styles.quiet, busy && styles.busy]}>
        <Text style={[styles.buttonText, quiet && styles.quietText]}>{button}</Text>
      </Pressable>
    </View>
  );
}
