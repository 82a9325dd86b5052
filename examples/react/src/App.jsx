import { useStringFlagValue } from '@openfeature/react-sdk';
import { fromPage } from './flags.js';
import { useFeatureFlags } from './useFeatureFlags.js';

export function App() {
  const { isEnabled } = useFeatureFlags();
  const colour = useStringFlagValue('quest_button', fromPage('quest_button', 'blue'));
  return (
    <main>
      <h1>CivicForge</h1>
      {isEnabled('maintenance_mode') && <p role="status" className="notice">You can read, but not write, for a few minutes.</p>}
      {isEnabled('new_attestation_flow') ? <NewAttestation /> : <Attestation />}
      <section>
        <h2>Quest of the week</h2>
        <p>Count the street trees between the school and the river.</p>
        <button className={colour}>Start the quest</button>
      </section>
    </main>
  );
}

function Attestation() {
  return (
    <section data-flow="old">
      <h2>Attest a fact</h2>
      <label>Fact <input /></label>
      <label>Place <input /></label>
      <label>Evidence <input /></label>
      <button className="blue">Send</button>
    </section>
  );
}

function NewAttestation() {
  return (
    <section data-flow="new">
      <h2>Attest a fact in three steps</h2>
      <ol>
        <li aria-current="step">What did you see?</li>
        <li>Where was it?</li>
        <li>Add a photo</li>
      </ol>
      <label>What did you see? <input /></label>
      <button className="blue">Next</button>
    </section>
  );
}
