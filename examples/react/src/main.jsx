import { OpenFeatureProvider } from '@openfeature/react-sdk';
import { createRoot } from 'react-dom/client';
import { App } from './App.jsx';
import { connect } from './flags.js';
import './style.css';

connect();
createRoot(document.getElementById('root')).render(
  <OpenFeatureProvider>
    <App />
  </OpenFeatureProvider>,
);
